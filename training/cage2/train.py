"""Training a CAGE-2 defender from settings to a network on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from training.cage2.checkpoint import fresh, inherit
from training.cage2.env import Cage2
from training.cage2.scenario import load
from training.cage2.settings import Plan
from training.cage2.teachers import make_teacher
from training.checkpoint import save
from training.device import pick
from training.guidance import Guide, TeacherGuide
from training.ppo import PPO
from training.run import run


def train(
    checkpoint: Path,
    plan: Plan,
    *,
    device: str = "cpu",
    compiled: bool = False,
    show: Callable[[dict[str, float]], object] = lambda _: None,
) -> dict[str, Any]:
    """Train in the checkpoint's folder; a run that was cut off there goes on.

    Args:
        checkpoint: the network's file.
        plan: what to train, and how.
        device: of everything.
        compiled: compile the simulator's step.
        show: called with every row of metrics.

    Returns:
        As :func:`training.run.run`.

    Raises:
        DeviceMissing: torch has no such device here.
        PolicyError: the teacher's or the first checkpoint cannot be read, or does not fit.
        RunError: the folder holds another run, or one that has ended.
        ScenarioError: no such scenario or red agent.
        TeacherError: a language model that cannot be used, or may not guide.
    """
    place = pick(device)
    network = fresh(plan.network, plan.ppo.seed).to(place)
    if plan.start is not None:
        inherit(network, Path(plan.start))
    env = Cage2(
        plan.ppo.num_envs,
        torch.Generator(place),
        red=plan.red,
        horizon=plan.horizon,
        scenario=load(plan.network.scenario),
        variant=plan.network.variant,
        compiled=compiled,
    )
    about = plan.model_dump(mode="json")
    return run(
        PPO(env, network, plan.ppo, _guide(plan)),
        checkpoint.parent,
        about,
        ending=plan.ending,
        show=show,
        finish=lambda result: save(checkpoint, network, plan.network, {**about, **result}),
    )


def _guide(plan: Plan) -> Guide | None:
    if plan.teacher is None:
        return None
    teacher = make_teacher(
        plan.teacher,
        plan.network.scenario,
        wrong=plan.wrong,
        seed=plan.ppo.seed,
        unqualified=plan.unqualified,
    )
    return TeacherGuide(teacher, plan.guidance)
