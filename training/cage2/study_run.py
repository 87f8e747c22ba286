"""``python -m training.cage2.study_run ORDER``: one run of a study, in a process of its own.

The order is a JSON object with ``folder``, ``plan`` and ``scored_on``. What is done already is left
as it is: the run goes on where it was cut off, and only scenarios without a score are played.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import torch

from training.cage2.base import MIXTURE
from training.cage2.checkpoint import read
from training.cage2.env import Cage2
from training.cage2.scenario import load
from training.cage2.settings import Plan
from training.cage2.study import SCORES, scores_of
from training.cage2.train import train
from training.run import RESULT
from training.study_pool import carry_out, write_whole

CHECKPOINT: Final = "network.pt"
_EPISODES: Final = 500  # of a score, at once
_STEPS: Final = 100
_SEED: Final = 0
_WORTH_COMPILING: Final = 20_000  # steps of the batch: half a minute of them, uncompiled


def _run(folder: Path, order: dict[str, Any]) -> None:
    plan = Plan.model_validate(order["plan"])
    if not (folder / RESULT).exists():
        worthwhile = plan.ppo.steps // plan.ppo.num_envs > _WORTH_COMPILING
        train(folder / CHECKPOINT, plan, compiled=worthwhile and _has_compiler())
    scores = scores_of(folder)
    if missing := [name for name in order["scored_on"] if name not in scores]:
        scores |= {name: score(folder / CHECKPOINT, name) for name in missing}
        write_whole(folder / SCORES, json.dumps(scores, indent=2) + "\n")


def _has_compiler() -> bool:
    """Whether there is what torch compiles by on a CPU; without it a run is slower, not other."""
    candidates = (os.environ.get("CXX"), "g++", "clang++")
    return any(name and shutil.which(name) for name in candidates)


@torch.no_grad()
def score(checkpoint: Path, scenario: str) -> float:
    """Mean greedy return of 500 episodes of 100 steps against B_line and Meander mixed.

    Args:
        checkpoint: the network.
        scenario: where it plays, be it another than where it was trained.

    Raises:
        PolicyError: the network cannot be moved there.
    """
    from training.cage2.checkpoint import on_scenario

    network, blueprint, _ = read(checkpoint)
    network, blueprint = on_scenario(network, blueprint, scenario)
    env = Cage2(
        _EPISODES, torch.Generator(), red=MIXTURE, horizon=_STEPS,
        scenario=load(scenario), variant=blueprint.variant,
    )  # fmt: skip
    obs = env.reset(_SEED)
    state = obs.new_zeros(_EPISODES, network.state_size)
    total = torch.zeros(_EPISODES, dtype=torch.float64)
    for _ in range(_STEPS):
        action = network(obs, state)[0].argmax(1)
        state = network.remember(obs, state, action)
        obs, reward, *_ = env.step(action)
        total += reward
    return float(total.mean())


if __name__ == "__main__":
    sys.exit(carry_out(sys.argv[1], _run))
