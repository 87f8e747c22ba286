"""Teachers that err on purpose, to measure what bad advice costs.

What they say is a function of a state's facts and a seed alone, so that it is the same in every
process and however states are batched.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray

from training.teacher.teacher import StateText, Teacher


class RandomTeacher:
    """Advises each state at random, always the same: uniformly among all distributions.

    Args:
        seed: of all chance, not negative.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, actions)`` float32, rows sum to 1."""
        return torch.tensor(np.stack([self._advice(state) for state in states]))

    def _advice(self, state: StateText) -> NDArray[np.float32]:
        chance = np.random.default_rng(digest(state, "random", self.seed))
        return chance.dirichlet(np.ones(len(state.actions))).astype(np.float32)


class WrongTeacher:
    """Passes a teacher's advice on, but in a share of the states says it of other actions.

    Which other action stands for which is fixed by the seed; no action stands for itself.

    Args:
        teacher: whose advice it is.
        share: of the states with wrong advice, 0 to 1.
        seed: of all chance, not negative.

    Raises:
        ValueError: the share is none.
    """

    def __init__(self, teacher: Teacher, share: float, seed: int = 0) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"a share is between 0 and 1, not {share}")
        self.teacher, self.share, self.seed = teacher, share, seed

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, actions)`` float32, rows sum to 1."""
        advice = self.teacher.distribution(states)
        wrong = torch.tensor([self.errs(state) for state in states], device=advice.device)
        source = derangement(advice.shape[1], self.seed).to(advice.device)
        return torch.where(wrong[:, None], advice[:, source], advice)

    def errs(self, state: StateText) -> bool:
        """Whether the advice in this state is wrong."""
        return digest(state, "wrong", self.seed) < self.share * 2**64


def derangement(size: int, seed: int) -> torch.Tensor:
    """A fixed permutation ``(size,)`` that leaves nothing in its place: one random cycle.

    Raises:
        ValueError: fewer than two things cannot change places.
    """
    if size < 2:
        raise ValueError(f"{size} actions cannot change places")
    cycle = torch.from_numpy(np.random.default_rng(seed).permutation(size))
    places = torch.empty_like(cycle)
    places[cycle] = cycle.roll(1)
    return places


def digest(state: StateText, purpose: str, seed: int) -> int:
    """A state's facts as a number below 2**64 that tells nothing about them."""
    names = sorted(state.facts)
    values = struct.pack(f"<{len(names)}d", *map(state.facts.__getitem__, names))
    text = f"{purpose} {seed}\n" + "\n".join(names)
    return int.from_bytes(blake2b(text.encode() + values, digest_size=8).digest(), "little")
