"""Exercises as examples for the language model: which tokens the answers are, and where."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import torch

from training.errors import TeacherError
from training.teacher.chat import render
from training.teacher.lm.batch import Batch, Example, collate, within_budget
from training.teacher.lm.exercises import MOST, Exercise, draw
from training.teacher.lm.gguf_file import CHAT_TEMPLATE
from training.teacher.lm.tokenizer import Tokenizer
from training.teacher.playbook.rule import Advice

_HOST: Final = " host"


class Reader:
    """Turns exercises into examples.

    What is to be learned of one: the kind of action, where its label begins, and for one kind, its
    hosts, where their number follows.

    Args:
        tokenizer: with a single token for each number of a host and each kind of action.

    Raises:
        TeacherError: a number or the word for a host is more than one token.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._single = lru_cache(None)(self._encode_single)
        self._single(_HOST)
        for number in range(1, MOST + 1):
            self._single(str(number))

    def example(self, exercise: Exercise, chance: random.Random) -> Example:
        """One example; chance chooses the kind whose hosts are asked for."""
        advice, question = exercise.advice, exercise.question
        kinds = by_kind(advice)
        text = render(question, CHAT_TEMPLATE) + question.reply.rstrip()
        tokens = self.tokenizer.encode(text, special=True)
        targets: dict[int, Mapping[int, float]] = {len(tokens) - 1: self._kinds(kinds)}
        asked = {kind: share for kind, share in kinds.items() if (kind, "") not in advice}
        if asked and exercise.brief.on_hosts:
            # By the root, so that kinds that are less likely are asked for, too.
            kind = chance.choices(list(asked), [share**0.5 for share in asked.values()])[0]
            tokens += [self._single(f" {kind}"), self._single(_HOST)]
            targets[len(tokens) - 1] = self._hosts(advice, kind)
        return Example(tokens, targets)

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


class Exercises:
    """Exercises without end, as :class:`training.teacher.lm.batch.Data`.

    Args:
        reader: makes them into tokens.
        count: of a batch.
        held_out: exercises to evaluate on.
        seed: of those that are held out.
        budget: tokens of a batch of those.
    """

    def __init__(
        self, reader: Reader, count: int, *, held_out: int = 512, seed: int = 0, budget: int = 16384
    ) -> None:
        self.reader, self.count = reader, count
        examples = self._draw(held_out, random.Random(f"held out {seed}"))
        self._held_out = [collate(group) for group in within_budget(examples, budget)]

    def batch(self, generator: torch.Generator) -> Batch:
        """Exercises that have not been there before."""
        seed = torch.randint(2**62, (1,), generator=generator, device=generator.device).item()
        return collate(self._draw(self.count, random.Random(int(seed))))

    def held_out(self) -> list[Batch]:
        """The same ones each time."""
        return self._held_out

    def _draw(self, count: int, chance: random.Random) -> list[Example]:
        return [self.reader.example(draw(chance), chance) for _ in range(count)]


def by_kind(advice: Advice) -> dict[str, float]:
    """Probabilities of the kinds of actions."""
    kinds: dict[str, float] = {}
    for (kind, _), share in advice.items():
        kinds[kind] = kinds.get(kind, 0.0) + share
    return kinds
