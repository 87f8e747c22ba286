"""Exercises as examples for the language model: which tokens the answers are, and where."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from training.errors import TeacherError
from training.teacher.chat import render
from training.teacher.lm.batch import Example
from training.teacher.lm.exercises import MOST, Exercise, draw
from training.teacher.lm.gguf_file import CHAT_TEMPLATE
from training.teacher.lm.tokenizer import Tokenizer
from training.teacher.playbook.rule import Advice

_HOST: Final = " host"
_LEAST: Final = 1e-3  # probability of a kind whose hosts are asked for
_KINDS: Final = 4  # that are asked for, at most


class Reader:
    """Turns exercises into examples.

    What is to be learned of one: the kind of action, where its label begins; and then for each kind
    that is likely, one after the other, its hosts, where their number follows. Along the way, where
    lines end, it is to be said what would be right if no more came: a prompt that is read once then
    teaches as much as several.

    Args:
        tokenizer: with a single token for each number of a host and each kind of action.
        along: of an example's ends of lines, how many are asked at, at most.
        draw: makes exercises up.

    Raises:
        TeacherError: a number or the word for a host is more than one token.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        along: int = 0,
        draw: Callable[[random.Random], Exercise] = draw,
    ) -> None:
        self.tokenizer, self.along, self.draw = tokenizer, along, draw
        self._single = lru_cache(None)(self._encode_single)
        self._single(_HOST)
        for number in range(1, MOST + 1):
            self._single(str(number))

    def __call__(self, chance: random.Random) -> Example:
        """An example of an exercise that is made up."""
        return self.example(self.draw(chance), chance)

    def example(self, exercise: Exercise, chance: random.Random) -> Example:
        """One example; chance chooses what is asked for first and along the way."""
        advice, question = exercise.advice, exercise.question
        text = render(question, CHAT_TEMPLATE) + question.reply.rstrip()
        tokens = self.tokenizer.encode(text, special=True)
        targets = self._along(exercise, text, tokens, chance)
        kinds = by_kind(advice)
        targets[len(tokens) - 1] = self._kinds(kinds)
        likely = [k for k, share in kinds.items() if share >= _LEAST and (k, "") not in advice]
        again = self.tokenizer.encode("\n" + question.reply.rstrip())
        for number, kind in enumerate(_asked(likely, chance) if exercise.brief.on_hosts else ()):
            tokens += [*(again if number else ()), self._single(f" {kind}"), self._single(_HOST)]
            targets[len(tokens) - 1] = self._hosts(advice, kind)
        return Example(tokens, targets)

    def _along(
        self, exercise: Exercise, text: str, tokens: Sequence[int], chance: random.Random
    ) -> dict[int, Mapping[int, float]]:
        """Targets at ends of lines."""
        user = exercise.question.user
        after = text.rpartition(user)[2].count("\n")
        ends = [place for place, token in enumerate(tokens) if token == self._single("\n")]
        ends = ends[len(ends) - after - user.count("\n") : len(ends) - after]
        asked = chance.sample(range(len(ends)), min(self.along, len(ends)))
        return {ends[n]: self._kinds(by_kind(exercise.advice_after(n + 1))) for n in asked}

    def _kinds(self, shares: Mapping[str, float]) -> dict[int, float]:
        return {self._single(f" {kind}"): share for kind, share in shares.items()}

    def _hosts(self, advice: Advice, kind: str) -> dict[int, float]:
        mine = {host: share for (done, host), share in advice.items() if done == kind}
        whole = sum(mine.values())
        return {
            self._single(host.removeprefix(_HOST.strip())): share / whole
            for host, share in mine.items()
        }

    def _encode_single(self, text: str) -> int:
        tokens = self.tokenizer.encode(text)
        if len(tokens) != 1:
            raise TeacherError(f"the tokeniser cuts {text!r}: train it on texts with it")
        return tokens[0]


def _asked(kinds: list[str], chance: random.Random) -> list[str]:
    return chance.sample(kinds, min(len(kinds), _KINDS))


def by_kind(advice: Advice) -> dict[str, float]:
    """Probabilities of the kinds of actions."""
    kinds: dict[str, float] = {}
    for (kind, _), share in advice.items():
        kinds[kind] = kinds.get(kind, 0.0) + share
    return kinds
