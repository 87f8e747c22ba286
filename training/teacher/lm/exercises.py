"""Exercises in reading: made-up states with made-up rules, and what those prescribe there.

Nothing can be learned by heart: rules, urgencies, actions, their order and what is said of how many
hosts are drawn anew each time, and no rule of the shipped playbook is among them but by chance.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from training.cage2.brief import BRIEF as CAGE2
from training.cage2.short_actions import KINDS as CAGE2_KINDS
from training.gateway.state import BRIEF as GATEWAY
from training.teacher.playbook.passages import rules_of
from training.teacher.playbook.rule import LEVELS, Advice, Rule, followed, most_urgent, weigh
from training.teacher.playgrounds import BRIEFS, passages_of
from training.teacher.prompt import Brief, compose
from training.teacher.question import Question, choices, labels

FEWEST: Final = 3  # hosts
MOST: Final = 50
_USUAL: Final = 16  # hosts at most, in three exercises of four
_GATEWAY: Final = 0.2  # share of exercises with one flow instead of hosts
_SECOND: Final = 0.2  # share of lines with two rules
_EQUAL: Final = 0.8  # of those: equally urgent ones
_WORDS: Final = tuple(sorted(CAGE2.words | GATEWAY.words))
KINDS: Final = (
    *(*CAGE2_KINDS, "allow", "throttle", "block", "isolate"),
    *("monitor", "patch", "wait", "reset"),
)


@dataclass(frozen=True, slots=True)
class Exercise:
    """A state, and rules.

    Attributes:
        brief: of the playground that it could be from.
        lines: of the state.
        told: rules below each line, whose conditions are said there.
        actions: labels; the first one changes nothing.
        shown: whether a prompt shows the rules.
    """

    brief: Brief
    lines: tuple[str, ...]
    told: tuple[tuple[Rule, ...], ...]
    actions: tuple[str, ...]
    shown: bool = True

    @property
    def question(self) -> Question:
        """What is asked."""
        told = self.told if self.shown else [()] * len(self.lines)
        return compose(self.brief, self.lines, told, choices(self.actions))

    @property
    def advice(self) -> Advice:
        """What the rules prescribe."""
        return self.advice_after(len(self.lines) + sum(map(len, self.told)))

    def advice_after(self, read: int) -> Advice:
        """What is prescribed by so many lines of a prompt, from the first on."""
        follows = {}
        for line, rules in zip(self.lines, self.told, strict=True):
            if read <= 0:
                break
            known = rules[: read - 1] if self.shown else rules
            follows[line.partition(" ")[0]] = most_urgent(known)
            read -= 1 + len(rules) * self.shown
        return weigh(follows, self.actions[0])


def draw(chance: random.Random) -> Exercise:
    """An exercise."""
    flow = chance.random() < _GATEWAY
    brief = GATEWAY if flow else CAGE2
    kinds = chance.sample(KINDS, chance.randint(3, 6))
    lexicon = chance.sample(_WORDS, chance.randint(6, len(_WORDS)))
    lines = [_line("flow", lexicon, chance)] if flow else _hosts(lexicon, chance)
    # From states in which little is to be done to such in which nearly every host needs something.
    busy = chance.random()
    told = [
        _told(line.split()[1:], kinds, chance) if chance.random() < busy else () for line in lines
    ]
    hosts = [] if flow else [line.partition(" ")[0] for line in lines]
    return Exercise(brief, tuple(lines), tuple(told), labels(kinds, hosts))


def draw_by_heart(chance: random.Random) -> Exercise:
    """An exercise whose rules are the shipped playbook's, which is not shown: know it or fail."""
    brief = GATEWAY if chance.random() < _GATEWAY else CAGE2
    words = sorted(brief.words)
    lines = _hosts(words, chance) if brief.on_hosts else [_line("flow", words, chance)]
    rules = _shipped(brief.name)
    told = [tuple(followed(rules, frozenset(line.split()[1:]))) for line in lines]
    hosts = [line.partition(" ")[0] for line in lines] if brief.on_hosts else []
    return Exercise(brief, tuple(lines), tuple(told), labels(brief.kinds, hosts), shown=False)


@lru_cache
def _shipped(name: str) -> list[Rule]:
    return rules_of(passages_of(BRIEFS[name]))


def _hosts(lexicon: Sequence[str], chance: random.Random) -> list[str]:
    """Lines of hosts; of many, little is said."""
    count = chance.randint(FEWEST, _USUAL if chance.random() < 0.75 else MOST)
    return [_line(f"host{n + 1}", lexicon, chance) for n in range(count)]


def _line(label: str, lexicon: Sequence[str], chance: random.Random) -> str:
    # As in real states, most say little: a worth, perhaps a sign or two.
    count = min(len(lexicon), chance.choice((0, 1, 1, 1, 2, 2, 3, 4)) + (label == "flow"))
    return " ".join([label, *chance.sample(lexicon, count)])


def _told(words: Sequence[str], kinds: Sequence[str], chance: random.Random) -> tuple[Rule, ...]:
    """One rule that holds, or two, mostly of one level; none if nothing is said."""
    if not words:
        return ()
    level = chance.randrange(len(LEVELS))
    rules = [_rule(words, level, kinds, chance)]
    if chance.random() < _SECOND:
        other = level if chance.random() < _EQUAL else chance.randrange(len(LEVELS))
        rules.append(_rule(words, other, kinds, chance))
    return tuple(rules)


def _rule(words: Sequence[str], level: int, kinds: Sequence[str], chance: random.Random) -> Rule:
    condition = chance.sample(words, min(len(words), chance.choice((1, 2, 2, 3))))
    return Rule(tuple(condition), level, tuple(chance.sample(kinds, chance.choice((1, 1, 2)))))
