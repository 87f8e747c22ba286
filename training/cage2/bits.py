"""Sets of hosts as integers: bit ``h`` of an int32 says whether host ``h`` belongs.

One integer per environment holds what would be a row of booleans, so that a rule such as "red holds
a host of that subnet" is one bitwise operation over the batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import torch

DTYPE: Final = torch.int32


def mask(members: Iterable[int]) -> int:
    """The set with these members."""
    return sum(1 << member for member in set(members))


def bit(member: torch.Tensor) -> torch.Tensor:
    """The sets with one member each, ``(...)`` int32; the empty set for a negative member."""
    return torch.bitwise_left_shift(1, member.clamp(min=0)) * (member >= 0)


def overlap(a: torch.Tensor, b: torch.Tensor | int) -> torch.Tensor:
    """Whether two sets share a member, ``(...)`` bool."""
    return (a & b) != 0


def keep_if(condition: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """The set where the condition holds, else the empty set."""
    return a * condition


def members(a: torch.Tensor, size: int) -> torch.Tensor:
    """Membership ``(size, ...)`` int32, 0 or 1, of the sets ``(...)``."""
    index = torch.arange(size, dtype=DTYPE, device=a.device)
    return (a >> index.view(-1, *[1] * a.dim())) & 1


def lowest(a: torch.Tensor) -> torch.Tensor:
    """The smallest member alone; the empty set of the empty set."""
    return a & -a


def draw(a: torch.Tensor, chance: torch.Tensor, size: int) -> torch.Tensor:
    """A uniformly drawn member of each set.

    Args:
        a: ``(B,)`` sets.
        chance: ``(B,)`` uniform in [0, 1), float32.
        size: members are below this.

    Returns:
        ``(B,)`` int32, -1 for the empty set.
    """
    rank = members(a, size).cumsum(0, dtype=DTYPE)
    count = rank[-1]
    # chance < 1 keeps this below count even after rounding: count is far below 2^24.
    chosen = (chance * count).to(DTYPE)
    return torch.where(count > 0, (rank <= chosen).sum(0, dtype=DTYPE), -1)
