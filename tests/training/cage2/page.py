"""The page about CAGE-2: ``python -m tests.training.cage2.page`` writes it again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from training.cage2 import blue
from training.cage2.bits import DTYPE
from training.cage2.scenario import Scenario, Variant, load
from training.cage2.tables import compile_tables

PAGE = Path(__file__).parents[3] / "docs" / "cage2.md"

_BITS = (
    ("activity", "a scan or an exploit showed in the last step"),
    ("activity", "it looked like an exploit (with the bit before)"),
    ("verdict", "Unknown, or with the next bit Privileged"),
    ("verdict", "User, or with the bit before Privileged"),
)

_TEXT = """# CAGE-2

The playground of `training/cage2`: the blue agent's task of the TTCP CAGE Challenge 2 (CybORG 2.1,
Scenario2), for as many networks at once as memory holds, on CPU or CUDA. It is exact: replaying
episodes of the official environment with their recorded choices and outcomes gives the official
observation, reward and hidden state at every step (`sluice-train cage2 verify TRACE.npz…`).

```python
import torch
from training.cage2.env import Cage2

env = Cage2(10_000, torch.Generator("cpu").manual_seed(1), red=["B_line", "Meander"], horizon=100)
obs = env.reset()  # (10000, 52) float32
action = torch.randint(env.num_actions, (env.num_envs,))
obs, reward, terminated, truncated, info = env.step(action)
print(env.describe(0).lines)  # what a teacher is shown
```

`torch.Generator("cuda")` puts everything on the GPU; `compiled=True` fuses a step by
`torch.compile`: half a minute at the first step, then several times as fast where the batch is
small or the device a GPU. `training/gymnasium_env.py` makes it a Gymnasium `VectorEnv` or, as a
batch of one, an `Env`.

An episode ends only by its step limit (`truncated`); the next one begins in the same step, and
`info["final_obs"]` keeps the ended one's last observation. Each episode's red agent is drawn
uniformly from `red`. The same seed on the same kind of device gives the same episodes. Observations
lie in memory with the batch as the last axis; `obs.contiguous()` gives rows where they are needed.

## Hosts

The official scenario. Red begins on {foothold} and is after the service of {server}. "Escalating
shows": the address that red learns there. Hosts of the Operational subnet are reachable only while
red holds a host of the Enterprise subnet. Decoys are those that can be placed on a clean host.

| host | subnet | cost a step | escalating shows | decoys |
|---|---|---:|---|---|
{hosts}

`generated-N` and `generated-N-SEED` are networks of N hosts (5 to 31) of the same shape and parts;
a `.toml` or `.json` file with the fields of `training/cage2/scenario.py` is one of your own. What
runs, what attacks it and what imitates it is in `training/cage2/data/catalogue.toml`.

## Observation

{features} float32, 0 or 1: four bits a host. Activity is about the last step only: None 00,
Scan 10, Exploit 11. The verdict stays until something changes it: No 00, Unknown 10, User 01,
Privileged 11. It is blue's belief, not the truth: an escalation is invisible without Analyse, and
Analyse finds files, not sessions. After reset all bits are 0. Whether blue's own action succeeded
is not shown.

| index | host | bits of | meaning of 1 |
|---:|---|---|---|
{observation}

## Actions

{actions} actions, all of them always allowed; some do nothing. Index = first index + host index.

| index | action | effect | cost |
|---:|---|---|---:|
| 0 | Sleep | none | 0 |
| 1 | Monitor | none: monitoring runs in every step anyway | 0 |
{commands}

## Reward

Of a step, after blue's and red's actions, always a multiple of 0.1:

- −10 while the service of {server} is down (by red's Impact, until {server} is restored);
- minus the cost of each host on which red has full control (root or SYSTEM); user-level sessions
  cost nothing;
- −1 for a Restore, also one that had nothing to restore.

The best possible return is 0.

## Red

- `B_line` knows its way: one of {entries}, the host that it reveals,
  {pivot}, {server}. It steps back on failure.
- `Meander` scans every known host, then attacks known hosts in random order, and forgets what it
  holds after failures.
- `Sleep` does nothing.

Of several exploits whose ports it remembers, red takes the heaviest with probability 0.75, else one
of the others; blue's monitoring misses a successful exploit with probability 0.05.

## Variants

- `head`, the default: the official code as it is, since August 2022.
- `lb`: the code on which the published leader board was measured. A scan adds to the ports that red
  remembers instead of replacing them, and a restored HarakaRCE service no longer falls to it.
- `repaired`: `head` without three bookkeeping faults that a learner can exploit. A Restore of
  {server} does not disarm Impact for the rest of the episode; DecoyVsftpd opens the port that it
  tests, 21, and traps FTPDirectoryTraversal; Remove ends every user-level session on the host, also
  one of SSH or one that monitoring missed.

Scores on `head` and `lb` must not be compared with each other. A policy that is good on `head` and
poor on `repaired` lives off a fault.

## Evaluation

`sluice-train cage2 evaluate POLICY.onnx` plays the official protocol: 30, 50 and 100 steps against
each red agent, and the sum of the nine mean returns; `--cyborg PATH` plays it in a checkout of
CybORG instead. The policy is evaluated greedily. Its contract: inputs `obs` float32 `[batch, 52]`
and `state` float32 `[batch, S]`, zeros at an episode's start; outputs `logits` float32
`[batch, 145]` and `next_state` float32 `[batch, S]`.

## To a bundle

```
sluice-export cage2 training/cage2/checkpoints/head.pt out/export/cage2.sluice --key maker.pem
```

distils the checkpoint's actor into a small stack of rectified layers (`--hidden`, 64 and 64),
which learns what the checkpoint would do where its own play leads; prunes it if told to (`--prune
SHARE`); lets it learn once more while it is rounded to int8; and puts it back between the parts
of the memory, which stays exact, as one graph of the contract above. What is in the work folder
(`--work`, `out/export/cage2`) of the same inputs is not done again, so a run that was cut off
goes on with the stage that it was in.

The bundle is written if all gates pass:

- The total score by the official protocol is at most 2 % worse than the checkpoint's in float32
  (`--episodes`, 1,000 a cell, seed 0: `sluice-train cage2 evaluate` says the same of
  `policy.onnx`).
- `policy.onnx` and `policy.npz` have at most 300 kB each, and the bundle what the profile allows
  (`--profile`, which also chooses the graph's arithmetic).
- The graph is made of known operators, and onnxruntime computes every layer of the actor in
  bytes.
- onnxruntime's int8 and float32 kernels and numpy agree in every bit of logits and memory along
  6,400 steps of play.

They are in the manifest, and the scores of all stages in the model card. Without `--key` the
bundle is signed by a key that is thrown away; `OUT.pub` is its public half. `sluice` verifies
such a bundle and refuses to run it: it is no gateway's.
"""

_EFFECTS = {
    "Analyse": ("verdict Privileged if a file of red's lies there, else unchanged", "0"),
    "Remove": (
        "ends red's user-level sessions that monitoring tied to a process: none by SSH, none "
        "unnoticed, no full control; any verdict but No becomes Unknown",
        "0",
    ),
    "Restore": (
        "ends all of red's sessions (but the foothold), deletes its files, removes the decoys; "
        "verdict No",
        "−1",
    ),
}


def page() -> str:
    """The whole page, from the official scenario."""
    scenario = load("official")
    return _TEXT.format(
        foothold=scenario.foothold,
        server=scenario.server,
        pivot=scenario.pivot,
        entries=" ".join(scenario.entries),
        features=scenario.num_features,
        actions=scenario.num_actions,
        hosts="\n".join(_hosts(scenario)),
        observation="\n".join(_observation(scenario)),
        commands="\n".join(_commands(scenario)),
    )


def _hosts(scenario: Scenario) -> Iterable[str]:
    tables = compile_tables(scenario, Variant.HEAD, torch.device("cpu"))
    names = [decoy.name.removeprefix("Decoy") for decoy in scenario.catalogue.decoys]
    decoy = torch.arange(len(names), dtype=DTYPE)
    for i, host in enumerate(scenario.hosts):
        fits = blue.placeable(tables, torch.full_like(decoy, i), torch.zeros_like(decoy), decoy)
        decoys = ", ".join(name for name, fit in zip(names, fits.tolist(), strict=True) if fit)
        yield f"| {host.name} | {host.subnet} | {host.weight:g} | {host.reveals or ''} | {decoys} |"


def _observation(scenario: Scenario) -> Iterable[str]:
    for i, host in enumerate(scenario.names):
        for bit, (group, meaning) in enumerate(_BITS):
            yield f"| {4 * i + bit} | {host} | {group} | {meaning} |"


def _commands(scenario: Scenario) -> Iterable[str]:
    hosts = len(scenario.hosts)
    decoys = {decoy.name: decoy for decoy in scenario.catalogue.decoys}
    for k, kind in enumerate(scenario.actions):
        first = 2 + k * hosts
        effect, cost = _EFFECTS.get(kind, ("", "0"))
        if kind in decoys:
            decoy = decoys[kind]
            effect = f"opens port {decoy.opens or decoy.port} on {' or '.join(decoy.systems)}"
            effect += f", if port {decoy.port} is unused; traps {decoy.traps}"
        yield f"| {first}–{first + hosts - 1} | {kind} | {effect} | {cost} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
