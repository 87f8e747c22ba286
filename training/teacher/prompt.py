"""From a state to what a language model is asked about it.

The prompt has the parts of arXiv 2509.05311's: a role, one objective, the allowed actions, the
answer's format, and the hosts under generic labels in order of importance, a line each. Below a
host stands what the passages that were found for the state say of it, where they say anything: the
most urgent of the rules that hold. What all states of a playground have in common comes first, so
that it stays in the model's key-value cache.

Everything in it is of our own making: lines consist of labels and words of a fixed vocabulary,
which is checked, so that no name, address or payload from a network can reach a model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from training.errors import TeacherError
from training.teacher.playbook.passages import rules_of
from training.teacher.playbook.retrieval import Shelf
from training.teacher.playbook.rule import Rule, followed
from training.teacher.question import Choices, Question, choices
from training.teacher.teacher import StateText

PASSAGES: Final = 8  # that are retrieved for a state, at most
REPLY: Final = "Action: "
_SYSTEM: Final = """\
{role} {objective} Below a {subject} is what may, should, must, urgently or immediately be done. \
Actions: {actions}. Answer: action{host}."""
_LINE: Final = re.compile(r"(host[0-9]{1,3}|flow)( [a-z]+)*")


@dataclass(frozen=True, slots=True)
class Brief:
    """What a teacher has to know of a playground.

    Attributes:
        name: of the playground, and of the folder of its passages.
        role: who the teacher is, a sentence.
        objective: what it is to achieve, a sentence.
        subject: what a line is about.
        words: all that may be said in lines.
        worth: those of them that tell how important a host is, most important first.
        kinds: of actions; the first one changes nothing.
        on_hosts: whether the others are done to a host.
    """

    name: str
    role: str
    objective: str
    subject: str
    words: frozenset[str]
    worth: tuple[str, ...]
    kinds: tuple[str, ...]
    on_hosts: bool


class Prompt:
    """Asks about states of one playground.

    Args:
        brief: of the playground.
        shelf: the playbook; without one, nothing is retrieved.
        passages: that are retrieved for a state, at most.
    """

    def __init__(self, brief: Brief, shelf: Shelf | None, passages: int = PASSAGES) -> None:
        self.brief, self.shelf, self.passages = brief, shelf, passages

    def __call__(self, state: StateText, shortened: int = 0) -> Question:
        """The question about a state.

        Args:
            state: with lines of labels and words, most important first.
            shortened: how many lines to cut down to their labels: first those of which no passage
                speaks, then by urgency; of equals, those that say least, and then the last.

        Raises:
            TeacherError: a line or an action is not in the playground's vocabulary.
        """
        asked = choices(state.actions)
        self._check(state.lines, asked.kinds)
        found = self.shelf.find(state.lines, self.passages) if self.shelf else []
        rules = rules_of(found)
        told = [followed(rules, frozenset(line.split()[1:])) for line in state.lines]
        return compose(self.brief, *shorten(state.lines, told, shortened), asked)

    def _check(self, lines: Sequence[str], kinds: Sequence[str]) -> None:
        """Make sure that nothing reaches a model but what the playground's brief knows."""
        brief = self.brief
        for line in lines:
            if not _LINE.fullmatch(line) or not brief.words.issuperset(line.split()[1:]):
                raise TeacherError(
                    f"a line of a state is not in the vocabulary of {brief.name}: {line!r}; only"
                    " words of that may reach a model"
                )
        for kind in kinds:
            if kind not in brief.kinds:
                raise TeacherError(
                    f"{kind!r} is no kind of action of {brief.name}; only its own may reach a model"
                )


def compose(
    brief: Brief, lines: Sequence[str], told: Sequence[Sequence[Rule]], asked: Choices
) -> Question:
    """The question about a state.

    Args:
        brief: of its playground.
        lines: of it.
        told: rules that stand below each line.
        asked: what can be done.
    """
    system = _SYSTEM.format(
        role=brief.role,
        objective=brief.objective,
        subject=brief.subject,
        actions=", ".join(asked.kinds),
        host=" and host" * brief.on_hosts,
    )
    # A rule is indented so that it cannot be taken for a line, and that its first word is spelled
    # as it is in the middle of one.
    below = [
        "\n".join([line, *(f" {rule}" for rule in rules)])
        for line, rules in zip(lines, told, strict=True)
    ]
    return Question(system, "\n".join(below), REPLY, asked)


def shorten(
    lines: Sequence[str], told: Sequence[Sequence[Rule]], count: int
) -> tuple[list[str], list[Sequence[Rule]]]:
    """Lines and rules, so many of which are cut down to their labels; see :class:`Prompt`."""

    def use(i: int) -> tuple[int, int, int]:
        return max((rule.level for rule in told[i]), default=-1), len(lines[i].split()), -i

    cut = set(sorted(range(len(lines)), key=use)[:count])
    return (
        [line.partition(" ")[0] if i in cut else line for i, line in enumerate(lines)],
        [() if i in cut else rules for i, rules in enumerate(told)],
    )
