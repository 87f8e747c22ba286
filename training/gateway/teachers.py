"""Teachers of the gateway by name."""

from __future__ import annotations

from training.errors import PolicyError
from training.gateway.playbook import PlaybookTeacher
from training.gateway.state import BRIEF
from training.teacher.flawed import RandomTeacher
from training.teacher.models import guide_named
from training.teacher.playbook.passages import rules_of
from training.teacher.playbook.reader import PassageTeacher
from training.teacher.playgrounds import passages_of, prompt_of
from training.teacher.teacher import Teacher


def make_teacher(name: str, *, seed: int = 0, unqualified: bool = False) -> Teacher:
    """A teacher.

    Args:
        name: ``playbook``, ``passages`` (of the written playbook, followed to the letter),
            ``lm`` or ``encoder`` (the shipped models), ``random``, or the file of a language model
            (``.gguf``) or of an encoder (``.onnx``).
        seed: of a random one.
        unqualified: take a language model that failed its examination, or was never examined.

    Raises:
        TeacherError: a language model that cannot be used, or may not guide.
        PolicyError: no such teacher.
    """
    if name == "playbook":
        return PlaybookTeacher()
    if name == "passages":
        return PassageTeacher(rules_of(passages_of(BRIEF)))
    if name == "random":
        return RandomTeacher(seed)
    model = guide_named(name, prompt_of(BRIEF), unqualified=unqualified)
    if model is not None:
        return model
    raise PolicyError(
        f"no teacher {name!r}: say playbook, passages, lm, encoder, random, or the file of a"
        " language model (.gguf) or of an encoder (.onnx)"
    )
