"""Exercises as examples for the encoder, and how well it does on them."""

from __future__ import annotations

import random

import torch
from torch import nn
from torch.nn import functional

from training.errors import TeacherError
from training.teacher.encoder.spelling import spell
from training.teacher.lm.batch import Batch, Example
from training.teacher.lm.exercises import KINDS, Exercise, draw
from training.teacher.lm.learn import Measured
from training.teacher.lm.reading import by_kind
from training.teacher.lm.tokenizer import Tokenizer


class EncoderReader:
    """Turns exercises into examples: what is to be learned of one is the whole advice.

    Args:
        tokenizer: of the encoder; with a single token for "host".

    Raises:
        TeacherError: it has none.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        if len(tokenizer.encode("host")) > 1:
            raise TeacherError("the tokeniser cuts 'host': train it on texts with it")
        self.tokenizer = tokenizer

    def __call__(self, chance: random.Random) -> Example:
        """An example of an exercise that is made up."""
        return self.example(draw(chance))

    def example(self, exercise: Exercise) -> Example:
        """One example; its targets sum to 1 over all places together."""
        spelled = spell(exercise.question, self.tokenizer, KINDS)
        targets: dict[int, dict[int, float]] = {}
        advice = exercise.advice
        kinds = by_kind(advice)
        for action, place, label in zip(
            exercise.actions, spelled.places, spelled.labels, strict=True
        ):
            kind, _, host = action.partition(" ")
            # Of a single flow, a kind stands for what is done to it.
            share = advice.get((kind, host), 0.0) if host else kinds.get(kind, 0.0)
            targets.setdefault(place, {})[label] = share
        return Example(spelled.tokens, targets)


def measure(model: nn.Module, batch: Batch, mixed: bool = False) -> Measured:
    """What an encoder makes of a batch on its device, example by example; see
    :func:`training.teacher.lm.learn.measure`."""
    with torch.autocast(batch.tokens.device.type, torch.bfloat16, enabled=mixed):
        scores = model(batch.tokens)
    count, length = batch.tokens.shape
    place = batch.marked[batch.row]
    asked = scores.float().flatten(0, 1)[place, batch.token]
    owner = place // length
    # A softmax over the actions of each example, of which there are more or fewer.
    most = asked.new_full((count,), -torch.inf).scatter_reduce(0, owner, asked.detach(), "amax")
    total = asked.new_zeros(count).index_add(0, owner, (asked - most[owner]).exp())
    logs = asked - most[owner] - total.log()[owner]
    each = functional.kl_div(logs, batch.probability, reduction="none")
    wanted = batch.probability.new_zeros(count).scatter_reduce(0, owner, batch.probability, "amax")
    best = batch.probability >= wanted[owner] * (1 - 1e-6)
    hit = (best & (asked >= most[owner])).float()
    agreed = asked.new_zeros(count).scatter_reduce(0, owner, hit, "amax")
    return Measured(asked.new_zeros(0), asked.new_zeros(count).index_add(0, owner, each), agreed)
