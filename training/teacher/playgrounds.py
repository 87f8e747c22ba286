"""The playgrounds that teachers of words know, each with its playbook."""

from __future__ import annotations

from typing import Final

from training.cage2.brief import BRIEF as CAGE2
from training.errors import TeacherError
from training.gateway.state import BRIEF as GATEWAY
from training.teacher.playbook.passages import FOLDER, Passage, read_all
from training.teacher.playbook.retrieval import Shelf
from training.teacher.prompt import Brief, Prompt

BRIEFS: Final = {brief.name: brief for brief in (CAGE2, GATEWAY)}
WORTH: Final = tuple(word for brief in BRIEFS.values() for word in brief.worth)
"""Words of hosts' importance in any of them, most important first."""


def passages_of(brief: Brief) -> list[Passage]:
    """The shipped playbook of a playground.

    Raises:
        TeacherError: a passage is none, or has a word or an action that the playground does not.
    """
    passages = read_all(FOLDER / brief.name)
    for passage in passages:
        for rule in passage.rules:
            unknown = {*rule.words} - brief.words | {*rule.kinds} - {*brief.kinds}
            if unknown:
                raise TeacherError(
                    f"the passage {passage.title!r} speaks of {', '.join(sorted(unknown))}, which"
                    f" are no words and actions of {brief.name}: say it in those"
                )
    return passages


def prompt_of(brief: Brief) -> Prompt:
    """How states of a playground are asked about.

    Raises:
        TeacherError: a passage is none.
    """
    return Prompt(brief, Shelf(passages_of(brief)))
