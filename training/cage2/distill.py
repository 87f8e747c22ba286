"""Trained CAGE-2 defenders into one small student on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from training.cage2.base import MIXTURE
from training.cage2.checkpoint import fresh, read
from training.cage2.codes import Red
from training.cage2.env import Cage2
from training.cage2.scenario import load
from training.cage2.settings import Blueprint
from training.checkpoint import save
from training.device import pick
from training.distill import Distillation
from training.errors import PolicyError
from training.networks import ActorCritic
from training.provenance import sha256
from training.run import run
from training.settings import Distilling


class Tutor(BaseModel):
    """A trained network that teaches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: Path
    red: tuple[Red, ...] = Field(MIXTURE, description="against whom; one drawn for each episode")


class Course(BaseModel):
    """A whole distillation: who is taught by whom, against whom, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: Blueprint = Blueprint()
    distilling: Distilling = Distilling()
    teachers: tuple[Tutor, ...] = Field(min_length=1)
    horizon: int = Field(100, ge=1, description="steps of an episode")


def distill(
    checkpoint: Path,
    course: Course,
    *,
    device: str = "cpu",
    compiled: bool = False,
    show: Callable[[dict[str, float]], object] = lambda _: None,
) -> dict[str, Any]:
    """Teach a student in the checkpoint's folder; a run that was cut off there goes on.

    Args:
        checkpoint: the student's file.
        course: who is taught by whom, and how.
        device: of everything.
        compiled: compile the simulators' steps.
        show: called with every row of metrics.

    Returns:
        As :func:`training.run.run`; the returns are the student's.

    Raises:
        DeviceMissing: torch has no such device here.
        PolicyError: a teacher cannot be read, or defends another network or under other rules.
        RunError: the folder holds another run, or one that has ended.
        ScenarioError: no such scenario.
    """
    place = pick(device)
    student = fresh(course.network, course.distilling.seed).to(place)
    scenario, generator = load(course.network.scenario), torch.Generator(place)
    pairs, origins = [], []
    for tutor in course.teachers:
        teacher, origin = _hire(tutor, course.network)
        env = Cage2(
            course.distilling.num_envs,
            generator,
            red=tutor.red,
            horizon=course.horizon,
            scenario=scenario,
            variant=course.network.variant,
            compiled=compiled,
        )
        pairs.append((env, teacher.to(place)))
        origins.append(origin)
    about = {**course.model_dump(mode="json"), "teachers": origins}
    return run(
        Distillation(pairs, student, course.distilling),
        checkpoint.parent,
        about,
        show=show,
        finish=lambda result: save(checkpoint, student, course.network, {**about, **result}),
    )


def _hire(tutor: Tutor, student: Blueprint) -> tuple[ActorCritic, dict[str, Any]]:
    """A teacher for the student, and where it comes from."""
    path = tutor.checkpoint
    network, blueprint, provenance = read(path)
    if blueprint.variant is not student.variant:
        raise PolicyError(
            f"{path}: knows the rules of variant {blueprint.variant}, the student is to defend"
            f" under {student.variant}; say --variant {blueprint.variant}, or another teacher"
        )
    if load(blueprint.scenario) != load(student.scenario):
        raise PolicyError(
            f"{path}: defends scenario {blueprint.scenario}, the student {student.scenario};"
            f" say --scenario {blueprint.scenario}, or another teacher"
        )
    # The name and not the whole path: the bytes are what counts, wherever they lie.
    return network, {
        "checkpoint": path.name,
        "sha256": sha256(path),
        "red": [str(name) for name in tutor.red],
        "provenance": provenance,
    }
