"""Many examples in a few flat tensors, out of which batches are cut on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, Self

import torch

from training.errors import TeacherError
from training.teacher.lm.batch import Batch, Example

_LIKE: Final = 64  # groups of like length
_ENOUGH: Final = 4  # batches' worth of examples in a group, at least


@dataclass(frozen=True, slots=True)
class Pool:
    """Examples one after the other: E of them with N tokens, D targets and M probabilities.

    Attributes:
        tokens: ``(N,)`` int32.
        lengths: ``(E,)`` int64, tokens of each example.
        marks: ``(E,)`` int64, targets of each.
        place: ``(D,)`` int64, position of a target in its example.
        choices: ``(D,)`` int64, probabilities of each target.
        token: ``(M,)`` int64, whose probability it is.
        probability: ``(M,)`` float32.
    """

    tokens: torch.Tensor
    lengths: torch.Tensor
    marks: torch.Tensor
    place: torch.Tensor
    choices: torch.Tensor
    token: torch.Tensor
    probability: torch.Tensor

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Self:
        """Those examples, on the CPU.

        Raises:
            TeacherError: there is none, or a target is beyond its example's end.
        """
        if not any(example.targets for example in examples):
            raise TeacherError("examples without anything to learn: give them targets")
        for example in examples:
            if any(not 0 <= place < len(example.tokens) for place in example.targets):
                raise TeacherError(
                    f"targets at {list(example.targets)} of {len(example.tokens)} tokens:"
                    " cut fewer tokens off"
                )
        targets = [target for example in examples for target in example.targets.items()]
        shares = [share for _, distribution in targets for share in distribution.items()]
        return cls(
            torch.tensor([t for e in examples for t in e.tokens], dtype=torch.int32),
            torch.tensor([len(example.tokens) for example in examples]),
            torch.tensor([len(example.targets) for example in examples]),
            torch.tensor([place for place, _ in targets]),
            torch.tensor([len(distribution) for _, distribution in targets]),
            torch.tensor([token for token, _ in shares]),
            torch.tensor([probability for _, probability in shares]),
        )

    @classmethod
    def joined(cls, pools: Sequence[Pool]) -> Self:
        """All of some pools, in order."""
        return cls(*map(torch.cat, zip(*(pool.columns for pool in pools), strict=True)))

    @property
    def columns(self) -> list[torch.Tensor]:
        """All tensors, in the attributes' order."""
        return [getattr(self, f.name) for f in fields(self)]

    def __len__(self) -> int:
        """Examples."""
        return len(self.lengths)

    def to(self, device: torch.device) -> Self:
        """The same there."""
        return type(self)(*(column.to(device) for column in self.columns))


class Cutter:
    """Cuts batches out of a pool, on its device.

    Args:
        pool: at least one example.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._token_at, self._mark_at, self._choice_at = (
            counts.cumsum(0) - counts for counts in (pool.lengths, pool.marks, pool.choices)
        )
        self._by_length = pool.lengths.argsort(stable=True)

    def batch(self, numbers: torch.Tensor) -> Batch:
        """The examples ``(B,)`` of those numbers; short ones are filled up with token 0."""
        pool, lengths = self.pool, self.pool.lengths[numbers]
        position = torch.arange(int(lengths.max()), device=lengths.device)
        inside = position < lengths[:, None]
        at = torch.where(inside, self._token_at[numbers, None] + position, 0)
        tokens = torch.where(inside, pool.tokens[at].long(), 0)
        owner, marks = _spans(self._mark_at[numbers], pool.marks[numbers])
        row, choices = _spans(self._choice_at[marks], pool.choices[marks])
        none = owner.new_zeros(0)
        return Batch(
            tokens, none, none, owner * len(position) + pool.place[marks],
            row, pool.token[choices], pool.probability[choices],
        )  # fmt: skip

    def of_like_length(self, count: int, generator: torch.Generator) -> Batch:
        """So many examples drawn from those of like length, so that little is filled up.

        Every example is as likely as any other, but for the longest few.
        """
        known, device = len(self.pool), generator.device
        size = -(-known // max(1, min(_LIKE, known // (_ENOUGH * count))))
        group = torch.randint(known, (1,), generator=generator, device=device) // size
        drawn = torch.randint(size, (count,), generator=generator, device=device)
        return self.batch(self._by_length[(group * size + drawn).clamp(max=known - 1)])

    def within_budget(self, budget: int) -> list[Batch]:
        """All examples in batches of like length, each of at most ``budget`` tokens.

        An example that is longer than that is alone.
        """
        groups: list[list[int]] = [[]]
        lengths = self.pool.lengths.tolist()
        for number in self._by_length.tolist():
            if groups[-1] and (len(groups[-1]) + 1) * lengths[number] > budget:
                groups.append([])
            groups[-1].append(number)
        return [self.batch(self._by_length.new_tensor(group)) for group in groups]


def _spans(starts: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers from each start on, so many; and which start each belongs to."""
    owner = torch.arange(len(starts), device=starts.device).repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=starts.device) - first[owner] + starts[owner]
