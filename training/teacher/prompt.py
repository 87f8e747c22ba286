"""From a state to what a language model is asked about it.

The prompt has the parts of arXiv 2509.05311's: a role, one objective, the hosts under generic
labels in order of importance, a line each, the allowed actions, and the answer's format; and the
passages of the playbook that concern the state. What all states of a playground have in common
comes first, so that it stays in the model's key-value cache, then the passages, which change less
than hosts do.

Everything in it is of our own making: lines consist of labels and words of a fixed vocabulary,
which is checked, so that no name, address or payload from a network can reach a model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from training.errors import TeacherError
from training.teacher.playbook.retrieval import Shelf
from training.teacher.playbook.rule import Rule
from training.teacher.question import Choices, Question, choices
from training.teacher.teacher import StateText

PASSAGES: Final = 4  # in a prompt, at most
REPLY: Final = "Action: "
_SYSTEM: Final = """\
{role} {objective} Passages say what may, should, must, urgently or immediately be done to those \
they describe. Actions: {actions}. Answer: action{host}."""
_LINE: Final = re.compile(r"(host[0-9]{1,3}|flow)( [a-z]+)*")


@dataclass(frozen=True, slots=True)
class Brief:
    """What a teacher has to know of a playground.

    Attributes:
        name: of the playground, and of the folder of its passages.
        role: who the teacher is, a sentence.
        objective: what it is to achieve, a sentence.
        subjects: what lines are about, as a headline.
        words: all that may be said in lines.
        kinds: of actions; the first one changes nothing.
        on_hosts: whether the others are done to a host.
    """

    name: str
    role: str
    objective: str
    subjects: str
    words: frozenset[str]
    kinds: tuple[str, ...]
    on_hosts: bool


class Prompt:
    """Asks about states of one playground.

    Args:
        brief: of the playground.
        shelf: the playbook; without one, nothing is retrieved.
        passages: in a prompt, at most.
    """

    def __init__(self, brief: Brief, shelf: Shelf | None, passages: int = PASSAGES) -> None:
        self.brief, self.shelf, self.passages = brief, shelf, passages

    def __call__(self, state: StateText, shortened: int = 0) -> Question:
        """The question about a state.

        Args:
            state: with lines of labels and words, most important first.
            shortened: how many lines to cut down to their labels: those that say least first, and
                among equals the least important.

        Raises:
            TeacherError: a line or an action is not in the playground's vocabulary.
        """
        asked = choices(state.actions)
        self._check(state.lines, asked.kinds)
        found = self.shelf.find(state.lines, self.passages) if self.shelf else []
        rules = [rule for passage in found for rule in passage.rules]
        lines = shorten(state.lines, shortened)
        return compose(self.brief, rules, lines, asked)

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


def compose(brief: Brief, rules: Sequence[Rule], lines: Sequence[str], asked: Choices) -> Question:
    """The question about a state to which these rules may apply."""
    system = _SYSTEM.format(
        role=brief.role,
        objective=brief.objective,
        actions=", ".join(asked.kinds),
        host=" and host" * any(asked.hosts),
    )
    # A rule is indented so that its first word is spelled as it is in the middle of a line.
    said = ["Passages:", *(f" {rule}" for rule in rules)] if rules else []
    return Question(system, "\n".join([*said, f"{brief.subjects}:", *lines]), REPLY, asked)


def shorten(lines: Sequence[str], count: int) -> list[str]:
    """Lines, so many of which are cut down to their labels; see :class:`Prompt`."""
    by_use = sorted(range(len(lines)), key=lambda i: (len(lines[i].split()), -i))
    cut = set(by_use[:count])
    return [line.partition(" ")[0] if i in cut else line for i, line in enumerate(lines)]
