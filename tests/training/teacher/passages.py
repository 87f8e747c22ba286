"""Passages as tests write them."""

from __future__ import annotations

from training.teacher.playbook.passages import Passage
from training.teacher.playbook.rule import parse


def passage(*rules: str, title: str = "a title", reason: str = "A reason.") -> Passage:
    """A passage of these lines."""
    return Passage(title, reason, tuple(map(parse, rules)))
