"""What a teacher of words has to know of CAGE-2 besides a state."""

from __future__ import annotations

from typing import Final

from training.cage2.describe import WORDS, WORTH
from training.cage2.short_actions import KINDS
from training.teacher.prompt import Brief

BRIEF: Final = Brief(
    name="cage2",
    role="You defend a network.",
    objective="Keep intruders from its core at little cost.",
    subject="host",
    words=WORDS,
    worth=WORTH,
    kinds=KINDS,
    on_hosts=True,
)
