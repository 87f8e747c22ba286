"""Teachers of CAGE-2 by name."""

from __future__ import annotations

from pathlib import Path

from training.cage2.checkpoint import on_scenario, read
from training.cage2.playbook import PlaybookTeacher
from training.cage2.policy_teacher import PolicyTeacher
from training.cage2.scenario import load
from training.cage2.short_actions import ShortActionsTeacher
from training.errors import PolicyError
from training.teacher.flawed import RandomTeacher, WrongTeacher
from training.teacher.playbook.passages import FOLDER, read_all
from training.teacher.playbook.reader import PassageTeacher
from training.teacher.teacher import Teacher


def make_teacher(name: str, scenario: str, *, wrong: float = 0.0, seed: int = 0) -> Teacher:
    """A teacher for one scenario.

    Args:
        name: ``playbook``, ``passages`` (of the written playbook, followed to the letter),
            ``random``, or a checkpoint's file.
        scenario: the network to defend: its name or file.
        wrong: share of the states in which it errs on purpose, 0 to 1.
        seed: of its chance.

    Raises:
        PolicyError: no such teacher, or a checkpoint of a flat network that defends another one.
        ScenarioError: no such scenario.
        ValueError: the share is none.
    """
    teacher = _sound(name, scenario, seed)
    return WrongTeacher(teacher, wrong, seed) if wrong else teacher


def _sound(name: str, scenario: str, seed: int) -> Teacher:
    if name == "playbook":
        return PlaybookTeacher()
    if name == "passages":
        rules = [rule for passage in read_all(FOLDER / "cage2") for rule in passage.rules]
        return ShortActionsTeacher(PassageTeacher(rules))
    if name == "random":
        return RandomTeacher(seed)
    if not Path(name).exists():
        raise PolicyError(
            f"no teacher {name!r}: say playbook, passages, random, or a checkpoint's file"
        )
    network, blueprint, _ = read(Path(name))
    there = load(scenario)
    if load(blueprint.scenario) != there:
        network, _ = on_scenario(network, blueprint, scenario)
    return PolicyTeacher(network, there)
