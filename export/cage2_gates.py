"""What an exported policy of CAGE-2 is held to: score, size, and the same bits everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from agent.bundle import POLICY_ONNX, Gate
from agent.int8 import Int8Network
from agent.session import open_session
from export.cage2_onnx import Whole, allowed_operators, cage2_onnx
from export.cage2_stages import FLOAT_ONNX, STUDENT_ONNX, Plan, Source
from export.exported import Exported
from export.gates import at_most, graph_gates, recorded
from export.progress import Show
from export.stages import stage
from training.cage2.base import MIXTURE
from training.cage2.env import Cage2
from training.cage2.evaluate import Arena, evaluate, simulator, total_steps
from training.cage2.onnx_policy import OnnxPolicy
from training.cage2.scenario import load
from training.provenance import sha256

SCORE_LOSS: Final = 0.02  # of the checkpoint's own score, which float32 computes
PLAYED: Final = {"float32": FLOAT_ONNX, "student": STUDENT_ONNX, "policy": POLICY_ONNX}
"""Whose scores are measured, and their files: the checkpoint, before quantisation, and after."""

_LEAST: Final = 0.1  # of a score, so that a share of it can be told: the smallest cost there is
_SEED: Final = 0  # as `sluice-train cage2 evaluate` has it if not told otherwise
_EPISODES, _STEPS = 64, 100  # of play in which graphs and runners are compared

Scores = dict[str, dict[str, Any]]
"""Evaluations as JSON, by the names of `PLAYED`."""


def scores(
    folder: Path, source: Source, episodes: int, show: Show = lambda name, done, of: None
) -> Scores:
    """By the official protocol, under the rules and on the network that the checkpoint knows.

    All policies meet the same chances. What the folder holds of them is not measured again.

    Args:
        folder: of the stages' files.
        source: the checkpoint.
        episodes: of each of the nine cells.
        show: called on the way.
    """
    blueprint = source.blueprint
    arena = simulator(blueprint.variant, load(blueprint.scenario))
    found = {}
    for name, file in PLAYED.items():
        depends_on = {
            "policy": sha256(folder / file), "rules": blueprint.variant,
            "network": blueprint.scenario, "episodes": episodes, "seed": _SEED,
        }  # fmt: skip
        play = partial(_played, folder / file, arena, episodes, partial(show, f"score of {name}"))
        found[name] = dict(stage(folder, f"score-{name}", depends_on, play).about)
    return found


def _played(
    path: Path, arena: Arena, episodes: int, show: Callable[[int, int], object]
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """A policy's evaluation, a stage without files."""
    player = OnnxPolicy(path, arena.scenario.num_features, arena.scenario.num_actions)
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        show(done, total_steps(episodes))

    found = evaluate(player, arena, name=path.name, episodes=episodes, seed=_SEED, advance=advance)
    return {}, found.as_dict()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of one policy's runners, along its own greedy play.

    Attributes:
        states: that were compared.
        differing: those in which a graph's or numpy's logits or memory have other bits.
        agreed: those in which the checkpoint's likeliest action is the policy's.
    """

    states: int
    differing: int
    agreed: int


@torch.no_grad()
def compare(source: Source, network: Int8Network) -> Comparison:
    """Both forms of the graph, and numpy's network with torch's memory, in the same states."""
    memory = source.network.memory
    int8, fp32 = (open_session(cage2_onnx(memory, network, form)) for form in ("int8", "fp32"))
    obs, state = _states(source, int8)
    whole = Whole(memory, lambda inputs: torch.from_numpy(network.logits(inputs.numpy())))
    wanted = [value.numpy() for value in whole(obs, state)]
    same = np.ones(len(obs), bool)
    for session in (int8, fp32):
        for found, value in zip(_run(session, obs, state), wanted, strict=True):
            same &= (found.view(np.uint32) == value.view(np.uint32)).all(1)
    agreed = source.network(obs, state)[0].argmax(1).numpy() == wanted[0].argmax(1)
    return Comparison(len(obs), int((~same).sum()), int(agreed.sum()))


def policy_gates(source: Source, exported: Exported, plan: Plan, found: Scores) -> tuple[Gate, ...]:
    """Gates of what a policy does, and of what its graph is made of.

    Args:
        source: the checkpoint.
        exported: what was made of it.
        plan: by which.
        found: scores.
    """
    return (
        score_gate(found),
        *_likeness_gates(compare(source, exported.network)),
        *graph_gates(
            exported.onnx, allowed_operators(plan.form), plan.form, len(exported.network.layers)
        ),
    )


def score_gate(found: Scores) -> Gate:
    """The gate of what a policy scores, against its checkpoint."""
    before, after = found["float32"], found["policy"]
    loss = (before["total"] - after["total"]) / max(abs(before["total"]), _LEAST)
    note = (
        f"{after['total']:.2f} ± {after['total_se']:.2f}, float32"
        f" {before['total']:.2f} ± {before['total_se']:.2f}"
    )
    return at_most("score_loss", "share", loss, SCORE_LOSS, note)


def _likeness_gates(found: Comparison) -> list[Gate]:
    share, states = found.agreed / found.states, f"of {found.states:,} states of its own play"
    note = f"{states}, where the trained network would act alike"
    return [
        at_most("runners_differ", "states", found.differing, 0, f"{states}, by any bit"),
        recorded("agreement", "share", share, note),
    ]


def _states(source: Source, session: ort.InferenceSession) -> tuple[torch.Tensor, torch.Tensor]:
    """Observations ``(N, F)`` and memories ``(N, S)`` of greedy play."""
    env = Cage2(
        _EPISODES,
        torch.Generator().manual_seed(_SEED),
        red=MIXTURE,
        horizon=_STEPS,
        scenario=load(source.blueprint.scenario),
        variant=source.blueprint.variant,
    )
    obs, state = env.reset().contiguous(), torch.zeros(_EPISODES, source.network.state_size)
    seen = []
    for _ in range(_STEPS):
        seen.append((obs, state))
        logits, after = _run(session, obs, state)
        obs = env.step(torch.from_numpy(logits.argmax(1)))[0].contiguous()
        state = torch.from_numpy(after)
    observed, remembered = zip(*seen, strict=True)
    return torch.cat(observed), torch.cat(remembered)


def _run(
    session: ort.InferenceSession, obs: torch.Tensor, state: torch.Tensor
) -> list[NDArray[np.float32]]:
    """Logits and next states."""
    fed = {"obs": obs.numpy(), "state": state.numpy()}
    found: list[NDArray[np.float32]] = session.run(["logits", "next_state"], fed)
    return found
