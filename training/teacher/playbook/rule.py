"""What a passage prescribes: its rules, and the distribution that they make of a state.

A passage speaks a small language, so that what it prescribes can be computed and a language model's
reading of it be judged. A rule is a line such as

    must restore or remove if vital and accessed

It holds for every subject, a host or a flow, of which all its words are said. A subject follows the
most urgent rule that holds for it; equally urgent ones share it. Among two actions, the first gets
three quarters. Subjects share the advice by the urgency of what they follow, ten to one a level,
and the first of the actions that can be chosen, the one that changes nothing, has a tenth of what a
single least urgent rule has. So the distribution depends neither on the order of subjects nor of
passages, and a change of one word changes it in a way that can be foreseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from training.errors import TeacherError

LEVELS: Final = ("may", "should", "must", "urgently", "immediately")
"""Words of urgency, least urgent first."""
RATIO: Final = 10.0  # of one level's share to that of the level below
_FIRST: Final = 0.75  # share of the first of two actions

Subjects = Mapping[str, frozenset[str]]
"""What is said of each subject, by its label; a playground with one subject calls it ""."""
Advice = dict[tuple[str, str], float]
"""Probabilities by kind of action and subject; "" is for kinds that concern none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a passage.

    Attributes:
        words: what must be said of a subject.
        level: its urgency, a number of :data:`LEVELS`.
        kinds: one or two kinds of actions, the better one first.
    """

    words: tuple[str, ...]
    level: int
    kinds: tuple[str, ...]

    def __str__(self) -> str:
        """The line."""
        return f"{LEVELS[self.level]} {' or '.join(self.kinds)} if {' and '.join(self.words)}"

    @property
    def shares(self) -> dict[str, float]:
        """Probabilities of the kinds."""
        if len(self.kinds) == 1:
            return {self.kinds[0]: 1.0}
        return {self.kinds[0]: _FIRST, self.kinds[1]: 1 - _FIRST}

    def holds(self, said: frozenset[str]) -> bool:
        """Whether it holds for a subject of which these words are said."""
        return said.issuperset(self.words)


def parse(line: str) -> Rule:
    """The rule that a line states.

    Raises:
        TeacherError: it is none; the message says what one looks like.
    """
    advice, _, condition = line.partition(" if ")
    level, _, kinds = advice.strip().partition(" ")
    words, wanted = _listed(condition, "and"), _listed(kinds, "or")
    if level not in LEVELS or not words or not 1 <= len(wanted) <= 2:
        raise TeacherError(
            f"{line!r} is no rule; write 'must action or action if word and word', with one of"
            f" {', '.join(LEVELS)} and at most two actions"
        )
    return Rule(words, LEVELS.index(level), wanted)


def _listed(text: str, between: str) -> tuple[str, ...]:
    """Words of a list; none if it is no list of single words."""
    words = text.split()
    right = all(word == between for word in words[1::2]) and len(words) % 2 == 1
    return tuple(words[::2]) if right and len(set(words[::2])) == len(words[::2]) else ()


def followed(rules: Sequence[Rule], said: frozenset[str]) -> list[Rule]:
    """The most urgent of the rules that hold for a subject."""
    return most_urgent([rule for rule in rules if rule.holds(said)])


def most_urgent(rules: Sequence[Rule]) -> list[Rule]:
    """Those of the highest level."""
    urgent = max((rule.level for rule in rules), default=0)
    return [rule for rule in rules if rule.level == urgent]


def prescribe(rules: Sequence[Rule], subjects: Subjects, wait: str) -> Advice:
    """What rules make of a state; the probabilities sum to 1.

    Args:
        rules: in any order.
        subjects: in any order.
        wait: the kind of action that changes nothing.
    """
    return weigh({label: followed(rules, said) for label, said in subjects.items()}, wait)


def weigh(follows: Mapping[str, Sequence[Rule]], wait: str) -> Advice:
    """The advice if each subject follows these rules, which are equally urgent."""
    weights: Advice = {(wait, ""): 1 / RATIO}
    for label, mine in follows.items():
        for rule in mine:
            for kind, share in rule.shares.items():
                key = (kind, "" if kind == wait else label)
                weights[key] = weights.get(key, 0.0) + share * RATIO**rule.level / len(mine)
    total = sum(weights.values())
    return {key: weight / total for key, weight in weights.items()}
