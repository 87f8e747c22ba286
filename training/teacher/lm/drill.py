"""Exercises by the hundred thousand: made up by several processes, and learned from."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import torch
from numpy.typing import NDArray

from training.teacher.lm.batch import Batch, Example
from training.teacher.lm.pool import Cutter, Pool
from training.teacher.lm.recipe import Tuning
from training.teacher.lm.tokenizer import Tokenizer

Make = Callable[[Tokenizer], Callable[[random.Random], Example]]
"""Of a tokeniser, what makes examples up."""

_PART: Final = 2000  # examples that a process makes at a time
_HELD_OUT: Final = "held out"  # seed of examples that no recipe trains on


class Drill:
    """Exercises as :class:`training.teacher.lm.batch.Data`.

    Args:
        learned: to train on.
        held_out: to evaluate on.
        count: of a batch.
        budget: tokens of a batch of those held out.
    """

    def __init__(self, learned: Pool, held_out: Pool, count: int, budget: int = 16384) -> None:
        self.count = count
        self._learned = Cutter(learned)
        self._held_out = Cutter(held_out).within_budget(budget)

    def batch(self, generator: torch.Generator) -> Batch:
        """Some of those to train on, on their device."""
        return self._learned.of_like_length(self.count, generator)

    def held_out(self) -> list[Batch]:
        """All of those to evaluate on."""
        return self._held_out


def drill(
    tokenizer: Path,
    tuning: Tuning,
    learned: Make,
    held_out: Make,
    *,
    device: torch.device,
    processes: int = 1,
) -> Drill:
    """What a recipe trains and evaluates on.

    Args:
        tokenizer: a file.
        tuning: how many, and which.
        learned: makes up what is trained on.
        held_out: makes up what is evaluated on; the same for every seed.
        device: where all of it is to be.
        processes: that make up exercises.

    Raises:
        TeacherError: the tokeniser cannot be read, or cuts what must be single tokens.
    """
    train = pool(tokenizer, learned, tuning.seed, tuning.exercises, processes)
    test = pool(tokenizer, held_out, _HELD_OUT, tuning.held_out)
    return Drill(train.to(device), test.to(device), tuning.batch)


def pool(tokenizer: Path, make: Make, seed: int | str, count: int, processes: int = 1) -> Pool:
    """Examples; the same ones for the same seed, however many processes make them.

    Args:
        tokenizer: a file.
        make: makes them up; it must be possible to pickle it.
        seed: of all of them.
        count: of them.
        processes: that share the work.

    Raises:
        TeacherError: the tokeniser cannot be read, or cuts what must be single tokens.
    """
    starts = range(0, count, _PART)
    seeds = [f"exercises {seed} {start}" for start in starts]
    counts = [min(_PART, count - start) for start in starts]
    part = partial(_part, tokenizer, make)
    if min(processes, len(counts)) == 1:
        return _joined(map(part, seeds, counts))
    # Forking a process that already uses a GPU or threads is not safe.
    with ProcessPoolExecutor(processes, get_context("spawn")) as workers:
        return _joined(workers.map(part, seeds, counts))


def _part(tokenizer: Path, make: Make, seed: str, count: int) -> list[NDArray[Any]]:
    """The tensors of a pool, as arrays: each tensor from another process is an open file."""
    example, chance = make(Tokenizer.load(tokenizer)), random.Random(seed)
    return [column.numpy() for column in Pool.of([example(chance) for _ in range(count)]).columns]


def _joined(parts: Iterable[list[NDArray[Any]]]) -> Pool:
    return Pool.joined([Pool(*map(torch.from_numpy, part)) for part in parts])
