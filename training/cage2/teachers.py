"""Teachers of CAGE-2 by name."""

from __future__ import annotations

from pathlib import Path

from training.cage2.brief import BRIEF
from training.cage2.checkpoint import on_scenario, read
from training.cage2.playbook import PlaybookTeacher
from training.cage2.policy_teacher import PolicyTeacher
from training.cage2.scenario import load
from training.cage2.short_actions import ShortActionsTeacher
from training.errors import PolicyError
from training.teacher.flawed import RandomTeacher, WrongTeacher
from training.teacher.impartial import Impartial
from training.teacher.models import guide_named
from training.teacher.playbook.passages import rules_of
from training.teacher.playbook.reader import PassageTeacher
from training.teacher.playgrounds import passages_of, prompt_of
from training.teacher.teacher import Teacher


def make_teacher(
    name: str, scenario: str, *, wrong: float = 0.0, seed: int = 0, unqualified: bool = False
) -> Teacher:
    """A teacher for one scenario.

    Args:
        name: ``playbook``, ``passages`` (of the written playbook, followed to the letter),
            ``lm`` or ``encoder`` (the shipped models), ``random``, or the file of a checkpoint, of
            a language model (``.gguf``) or of an encoder (``.onnx``).
        scenario: the network to defend: its name or file.
        wrong: share of the states in which it errs on purpose, 0 to 1.
        seed: of its chance.
        unqualified: take a language model that failed its examination, or was never examined.

    Raises:
        TeacherError: a language model that cannot be used, or may not guide.
        PolicyError: no such teacher, or a checkpoint of a flat network that defends another one.
        ScenarioError: no such scenario.
        ValueError: the share is none.
    """
    teacher = _sound(name, scenario, seed, unqualified)
    return WrongTeacher(teacher, wrong, seed) if wrong else teacher


def _sound(name: str, scenario: str, seed: int, unqualified: bool) -> Teacher:
    if name == "playbook":
        return PlaybookTeacher()
    if name == "passages":
        return ShortActionsTeacher(PassageTeacher(rules_of(passages_of(BRIEF))))
    if name == "random":
        return RandomTeacher(seed)
    model = guide_named(name, prompt_of(BRIEF), unqualified=unqualified)
    if model is not None:
        return ShortActionsTeacher(Impartial(model, BRIEF.worth))
    if not Path(name).exists():
        raise PolicyError(
            f"no teacher {name!r}: say playbook, passages, lm, encoder, random, or the file of a"
            " checkpoint, of a language model (.gguf) or of an encoder (.onnx)"
        )
    network, blueprint, _ = read(Path(name))
    there = load(scenario)
    if load(blueprint.scenario) != there:
        network, _ = on_scenario(network, blueprint, scenario)
    return PolicyTeacher(network, there)
