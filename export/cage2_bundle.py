"""A CAGE-2 policy that has been exported, as a signed bundle with its model card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from agent.bundle import MODEL_CARD, POLICY_NPZ, POLICY_ONNX, Bundle, Gate, write_bundle
from agent.int8 import packed
from agent.profile import Profile
from export.cage2_gates import PLAYED, Scores, policy_gates, scores
from export.cage2_stages import Plan, Source, export
from export.exported import Exported
from export.gates import check, size_gates
from export.gateway_card import gates_table
from export.progress import Show
from training.provenance import commit, machine
from training.report import table

PLAYGROUND: Final = "cage2"

_CARD: Final = """# {name}

{description}

- For the blue agent of CAGE Challenge 2: scenario {scenario}, under the rules of variant {variant}.
- Contract: inputs `obs` [batch, {features}] and `state` [batch, {state}], zeros when an episode
  begins; outputs `logits` [batch, {actions}] and `next_state` [batch, {state}]; float32. Play the
  action with the greatest logit, and hand `next_state` back in.
- Made from {checkpoint} (SHA-256 {sha256}), which has {before:,} weights, its critic's among them.
- Network: {network}, {weights:,} weights as signed bytes; graph in {form} arithmetic.
- `policy.npz` has the same layers for numpy, from the memory's {inputs} inputs to logits; the
  memory itself is in `policy.onnx` alone.

## What it scores

The official protocol, {episodes:,} episodes a cell, seed {seed}, all policies under the same
chances; mean return ± one standard error. "float32" is the checkpoint, "student" what learned from
it, before quantisation, "policy" what is in this bundle.

{scores}

## What the export measured

{gates}

## Where it fails

- It knows one network, one variant of the rules, and the opponents that it learned against, which
  are {reds}. Against another nothing is promised; on another network it cannot be run.
- It is no policy for a gateway, and `sluice` refuses it.

## Make it again

`sluice-export cage2`; docs/cage2.md has the command. The manifest has all settings.
"""


def made(
    out: Path,
    source: Source,
    plan: Plan,
    *,
    work: Path,
    profile: Profile | None,
    episodes: int,
    private_key: bytes,
    show: Show = lambda name, done, of: None,
) -> Bundle:
    """Export a checkpoint, measure what came of it, and write its bundle.

    Args:
        out: the ``.sluice`` file.
        source: the checkpoint.
        plan: how it is exported.
        work: folder of the stages; what is done there is not done again.
        profile: of the boxes that it is for; none: any.
        episodes: of each of the nine cells of the score.
        private_key: 32 bytes of an Ed25519 key.
        show: called on the way.

    Raises:
        GateFailed: it did not pass; nothing is written to ``out``.
        OutputError: a file cannot be written.
    """
    exported = export(work, source, plan, show)
    found = scores(work, source, episodes, show)

    def write(path: Path, gates: Sequence[Gate]) -> Bundle:
        manifest = _manifest(out.stem, source, exported, plan, profile, found, gates)
        files = {
            POLICY_ONNX: exported.onnx,
            POLICY_NPZ: packed(exported.network),
            MODEL_CARD: _card(out.stem, source, exported, plan, found, gates).encode(),
        }
        return write_bundle(path, manifest, files, private_key)

    gates = policy_gates(source, exported, plan, found)
    # How large a bundle is can only be said in it when it has been made.
    draft = write(work / "draft.sluice", gates)
    gates = (*gates, *size_gates(draft.size, draft.sizes, profile))
    check(gates, profile.name if profile else str(out))
    return write(out, gates)


def _manifest(
    name: str,
    source: Source,
    exported: Exported,
    plan: Plan,
    profile: Profile | None,
    found: Scores,
    gates: Sequence[Gate],
) -> dict[str, Any]:
    """Fields of `agent.bundle.Manifest` but ``files``."""
    memory = source.network.memory
    manifest: dict[str, Any] = {
        "name": name,
        "kind": "PPO, distilled and quantised",
        "description": _description(source),
        "playground": PLAYGROUND,
        "quantisation": plan.form,
        "inputs": {
            "obs": ["batch", memory.num_features], "state": ["batch", memory.state_size],
        },
        "outputs": {
            "logits": ["batch", memory.num_actions], "next_state": ["batch", memory.state_size],
        },
        "provenance": {
            "checkpoint": source.name,
            "sha256": source.sha256,
            "blueprint": source.blueprint.model_dump(mode="json"),
            "trained": dict(source.provenance),
            "plan": plan.model_dump(mode="json"),
            "scores": found,
            "commit": commit(),
            "machine": machine(torch.device("cpu")),
        },
        "stages": dict(exported.stages),
        "gates": gates,
    }  # fmt: skip
    if profile is not None:
        manifest |= {"profile": profile.name, "limits": profile.limits.model_dump()}
    return manifest


def _description(source: Source) -> str:
    blueprint = source.blueprint
    return (
        f"A blue agent of CAGE Challenge 2 (scenario {blueprint.scenario}, variant"
        f" {blueprint.variant}), trained by PPO, then distilled into whole numbers."
    )


def _card(
    name: str,
    source: Source,
    exported: Exported,
    plan: Plan,
    found: Scores,
    gates: Sequence[Gate],
) -> str:
    memory, blueprint, layers = source.network.memory, source.blueprint, exported.network.layers
    cells = found["policy"]["cells"]
    return _CARD.format(
        name=name, description=_description(source), scenario=blueprint.scenario,
        variant=blueprint.variant, features=memory.num_features, state=memory.state_size,
        actions=memory.num_actions, inputs=memory.num_inputs, checkpoint=source.name,
        sha256=source.sha256, before=sum(p.numel() for p in source.network.parameters()),
        network="-".join(map(str, exported.network.widths)), form=plan.form,
        weights=sum(layer.weight.size for layer in layers), episodes=cells[0]["episodes"],
        seed=found["policy"]["seed"], reds=", ".join(sorted(set(plan.play.red))),
        scores=_scores_table(found), gates=gates_table(gates),
    )  # fmt: skip


def _scores_table(found: Scores) -> str:
    """Markdown: a row a cell, a column a policy."""
    results = [found[name] for name in PLAYED]
    rows = [
        [
            f"{cells[0]['steps']} {cells[0]['red']}",
            *(_plus_minus(c["mean"], c["se"]) for c in cells),
        ]
        for cells in zip(*(each["cells"] for each in results), strict=True)
    ]
    total = [_plus_minus(each["total"], each["total_se"]) for each in results]
    return table(["steps, red", *PLAYED], [*rows, ["total", *total]])


def _plus_minus(mean: float, se: float) -> str:
    # Sums of rewards that are multiples of a tenth come out as -0.00 as well as 0.00.
    return f"{mean:z.2f} ± {se:.2f}"
