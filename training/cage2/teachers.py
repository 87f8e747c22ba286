"""Teachers of CAGE-2 by name."""

from __future__ import annotations

from pathlib import Path

from training.cage2.checkpoint import read
from training.cage2.playbook import PlaybookTeacher
from training.cage2.policy_teacher import PolicyTeacher
from training.cage2.scenario import Scenario, load
from training.errors import PolicyError
from training.teacher.flawed import RandomTeacher, WrongTeacher
from training.teacher.teacher import Teacher


def make_teacher(name: str, scenario: Scenario, *, wrong: float = 0.0, seed: int = 0) -> Teacher:
    """A teacher for one scenario.

    Args:
        name: ``playbook``, ``random``, or a checkpoint's file.
        scenario: the network to defend.
        wrong: share of the states in which it errs on purpose, 0 to 1.
        seed: of its chance.

    Raises:
        PolicyError: no such teacher, or a checkpoint that defends another network.
        ValueError: the share is none.
    """
    teacher = _sound(name, scenario, seed)
    return WrongTeacher(teacher, wrong, seed) if wrong else teacher


def _sound(name: str, scenario: Scenario, seed: int) -> Teacher:
    if name == "playbook":
        return PlaybookTeacher()
    if name == "random":
        return RandomTeacher(seed)
    if not Path(name).exists():
        raise PolicyError(f"no teacher {name!r}: say playbook, random, or a checkpoint's file")
    network, blueprint, _ = read(Path(name))
    if load(blueprint.scenario) != scenario:
        raise PolicyError(
            f"{name}: defends {blueprint.scenario}; give a checkpoint for {scenario.name}"
        )
    return PolicyTeacher(network, scenario)
