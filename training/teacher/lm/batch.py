"""Examples to learn from: plain text, and prompts with distributions of what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Protocol

import torch

from training.errors import TeacherError


@dataclass(frozen=True, slots=True)
class Example:
    """A sequence of tokens, and what is to be learned of it.

    Attributes:
        tokens: numbers, in order.
        targets: by position, probabilities of the tokens that may follow the one there.
    """

    tokens: Sequence[int]
    targets: Mapping[int, Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples side by side. A place is ``b * T + t``: position ``t`` of sequence ``b``.

    Attributes:
        tokens: ``(B, T)`` int64; short sequences end in tokens that nothing is learned of.
        places: ``(P,)`` int64, where the following token is to be foretold.
        following: ``(P,)`` int64, that token.
        marked: ``(D,)`` int64, places with a distribution of what follows.
        row: ``(M,)`` int64, which of those a probability belongs to.
        token: ``(M,)`` int64, which token's it is.
        probability: ``(M,)`` float32; those of a row sum to 1.
    """

    tokens: torch.Tensor
    places: torch.Tensor
    following: torch.Tensor
    marked: torch.Tensor
    row: torch.Tensor
    token: torch.Tensor
    probability: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """The same there."""
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))

    def targets(self, vocabulary: int) -> torch.Tensor:
        """The distributions ``(D, V)`` float32."""
        table = self.probability.new_zeros(len(self.marked), vocabulary)
        table[self.row, self.token] = self.probability
        return table


class Data(Protocol):
    """Where examples come from."""

    def batch(self, generator: torch.Generator) -> Batch:
        """The next batch for training, on any device.

        Args:
            generator: the only source of chance, on the model's device. A batch must depend on
                nothing else that changes, for a run that was cut off to go on as it would have.
        """

    def held_out(self) -> Sequence[Batch]:
        """Batches that are never trained on, one at least, and the same ones each time."""


class Later:
    """Data that is made when it is first asked for: a run that has ended needs none.

    Args:
        make: makes it.
    """

    def __init__(self, make: Callable[[], Data]) -> None:
        self._made = lru_cache(1)(make)

    def batch(self, generator: torch.Generator) -> Batch:
        """See :class:`Data`."""
        return self._made().batch(generator)

    def held_out(self) -> Sequence[Batch]:
        """See :class:`Data`."""
        return self._made().held_out()


class PackedText:
    """Plain text as :class:`Data`: windows of documents that follow one another.

    Args:
        tokens: ``(N,)`` int64, of all documents, each with the token that ends one.
        length: tokens of a window.
        windows: in a batch.
        held_out: share of the tokens, at the end, that is never trained on.

    Raises:
        TeacherError: there is less than a window to train on, or held out.
    """

    def __init__(
        self, tokens: torch.Tensor, length: int, windows: int, held_out: float = 0.05
    ) -> None:
        learned = round(len(tokens) * (1 - held_out))
        if min(learned, len(tokens) - learned) <= length:
            raise TeacherError(
                f"{len(tokens)} tokens of text are too few for windows of {length}:"
                " say shorter ones, or bring more text"
            )
        self.length, self.windows = length, windows
        self._learned, self._held_out = tokens[:learned], tokens[learned:]

    def batch(self, generator: torch.Generator) -> Batch:
        """Windows that begin anywhere."""
        device, last = generator.device, len(self._learned) - self.length
        starts = torch.randint(last, (self.windows,), generator=generator, device=device)
        return self._windows(self._learned, starts.to(self._learned.device))

    def held_out(self) -> list[Batch]:
        """Windows one after the other."""
        starts = torch.arange(0, len(self._held_out) - self.length, self.length)
        groups = torch.split(starts, self.windows)
        return [self._windows(self._held_out, group) for group in groups]

    def _windows(self, tokens: torch.Tensor, starts: torch.Tensor) -> Batch:
        """Windows that begin at ``(B,)`` places."""
        cut = tokens[starts[:, None] + torch.arange(self.length + 1, device=tokens.device)]
        following, none = cut[:, 1:].flatten(), cut.new_zeros(0)
        places = torch.arange(len(following), device=tokens.device)
        return Batch(cut[:, :-1], places, following, none, none, none, none.float())
