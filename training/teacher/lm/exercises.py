"""Exercises in reading: made-up states with made-up passages, and what those prescribe there.

Nothing can be learned by heart: rules, urgencies, actions, their order and what is said of how many
hosts are drawn anew each time. Half of the rules are written about some subject that is there, so
that they hold; the others mostly do not, or for subjects that other rules are more urgent for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from training.cage2.brief import BRIEF as CAGE2
from training.cage2.short_actions import KINDS
from training.gateway.state import BRIEF as GATEWAY
from training.teacher.playbook.reader import subjects
from training.teacher.playbook.rule import LEVELS, Advice, Rule, prescribe, verdict
from training.teacher.prompt import Brief, compose
from training.teacher.question import Question, choices, labels

FEWEST: Final = 3  # hosts
MOST: Final = 50
_USUAL: Final = 16  # hosts at most, in three exercises of four
_RULES: Final = 10  # at most
_GATEWAY: Final = 0.2  # share of exercises with one flow instead of hosts
_WORDS: Final = tuple(sorted(CAGE2.words | GATEWAY.words))
_KINDS: Final = (
    *(*KINDS, "allow", "throttle", "block", "isolate"),
    *("monitor", "patch", "wait", "reset"),
)


@dataclass(frozen=True, slots=True)
class Exercise:
    """A state and passages.

    Attributes:
        brief: of the playground that it could be from.
        rules: of the passages in the prompt.
        lines: of the state.
        actions: labels; the first one changes nothing.
    """

    brief: Brief
    rules: tuple[Rule, ...]
    lines: tuple[str, ...]
    actions: tuple[str, ...]

    @property
    def question(self) -> Question:
        """What is asked."""
        return compose(self.brief, self.rules, self.lines, choices(self.actions))

    @property
    def advice(self) -> Advice:
        """What the passages prescribe."""
        return prescribe(self.rules, subjects(self.lines), self.actions[0])

    @property
    def verdicts(self) -> list[dict[str, float]]:
        """For each line, what they prescribe for its subject alone."""
        each = subjects(self.lines).values()
        return [verdict(self.rules, said, self.actions[0]) for said in each]


def draw(chance: random.Random) -> Exercise:
    """An exercise."""
    flow = chance.random() < _GATEWAY
    kinds = chance.sample(_KINDS, chance.randint(3, 6))
    lexicon = chance.sample(_WORDS, chance.randint(6, len(_WORDS)))
    lines = [_line("flow", lexicon, chance)] if flow else _hosts(lexicon, chance)
    rules = _rules(lines, lexicon, kinds, chance)
    hosts = [] if flow else [line.split()[0] for line in lines]
    brief = GATEWAY if flow else CAGE2
    return Exercise(brief, tuple(rules), tuple(lines), labels(kinds, hosts))


def _hosts(lexicon: Sequence[str], chance: random.Random) -> list[str]:
    """Lines of hosts; of many, little is said."""
    count = chance.randint(FEWEST, _USUAL if chance.random() < 0.75 else MOST)
    return [_line(f"host{n + 1}", lexicon, chance) for n in range(count)]


def _line(label: str, lexicon: Sequence[str], chance: random.Random) -> str:
    # As in real states, most say little: a worth, perhaps a sign or two.
    count = min(len(lexicon), chance.choice((0, 1, 1, 1, 2, 2, 3, 4)) + (label == "flow"))
    return " ".join([label, *chance.sample(lexicon, count)])


def _rules(
    lines: Sequence[str], lexicon: Sequence[str], kinds: Sequence[str], chance: random.Random
) -> list[Rule]:
    said = [words for words in (line.split()[1:] for line in lines) if words]
    conditions = {
        tuple(
            sorted(
                _some(chance.choice(said) if said and chance.random() < 0.5 else lexicon, chance)
            )
        )
        for _ in range(chance.randint(0, _RULES))
    }
    rules = [
        Rule(
            tuple(chance.sample(words, len(words))),
            chance.randrange(len(LEVELS)),
            tuple(chance.sample(kinds, 1 if chance.random() < 0.6 else 2)),
        )
        for words in sorted(conditions)
    ]
    chance.shuffle(rules)
    return rules


def _some(words: Sequence[str], chance: random.Random) -> list[str]:
    """One to three words."""
    return chance.sample(words, min(len(words), chance.choice((1, 2, 2, 3))))
