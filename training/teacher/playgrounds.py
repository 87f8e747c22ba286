"""The playgrounds that teachers of words know, each with its playbook."""

from __future__ import annotations

from typing import Final

from training.cage2.brief import BRIEF as CAGE2
from training.gateway.state import BRIEF as GATEWAY
from training.teacher.playbook.passages import FOLDER, Passage, read_all
from training.teacher.playbook.retrieval import Shelf
from training.teacher.prompt import Brief, Prompt

BRIEFS: Final = {brief.name: brief for brief in (CAGE2, GATEWAY)}


def passages_of(brief: Brief) -> list[Passage]:
    """The shipped playbook of a playground.

    Raises:
        TeacherError: a passage is none.
    """
    return read_all(FOLDER / brief.name)


def prompt_of(brief: Brief) -> Prompt:
    """How states of a playground are asked about.

    Raises:
        TeacherError: a passage is none.
    """
    return Prompt(brief, Shelf(passages_of(brief)))
