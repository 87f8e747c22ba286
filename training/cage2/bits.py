"""Sets as integers, and small tables looked up by them.

A set of hosts or subnets is one int32 per environment, bit ``i`` for member ``i``; a set of ports,
decoys or exploits is a byte. A rule such as "red holds a host of that subnet" is then one bitwise
operation over the batch, and a rule about a host's ports one look-up in 256 rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import torch

DTYPE: Final = torch.int32
BYTE: Final = 256


def mask(members: Iterable[int]) -> int:
    """The set with these members."""
    return sum(1 << member for member in set(members))


def bit(member: torch.Tensor) -> torch.Tensor:
    """The sets ``(B,)`` with one member each; the empty set for a negative member."""
    return torch.bitwise_left_shift(1, member.clamp(min=0)) * (member >= 0)


def only(condition: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """The set where the condition holds, else the empty set."""
    return a * condition


def overlap(a: torch.Tensor, b: torch.Tensor | int) -> torch.Tensor:
    """Whether two sets share a member, ``(B,)`` bool."""
    return (a & b).bool()


def lowest(a: torch.Tensor) -> torch.Tensor:
    """The smallest member alone; the empty set of the empty set."""
    return a & -a


def members(a: torch.Tensor, size: int) -> torch.Tensor:
    """Membership ``(size, ...)`` int32, 0 or 1, of the sets ``(...)``."""
    index = torch.arange(size, dtype=DTYPE, device=a.device)
    # In place: the array is large, and a second one costs more than the arithmetic.
    return (a >> index.view(-1, *[1] * a.dim())).bitwise_and_(1)


def look(table: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """``table[row]`` for ``(B,)`` int32 rows; index_select is the quicker spelling."""
    return table.index_select(0, row)


def get(table: torch.Tensor, host: torch.Tensor) -> torch.Tensor:
    """Each environment's entry ``(B,)`` int32 for its host, of bytes ``(H, B)``."""
    return table.gather(0, host.long()[None])[0].to(DTYPE)


def put(table: torch.Tensor, host: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Bytes ``(H, B)`` with each environment's entry for its host replaced."""
    return table.scatter(0, host.long()[None], value.to(table.dtype)[None])


def weigh(a: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The sum of the members' weights, ``(B,)``, from a table made by :func:`weights_of`."""
    total = look(weights, a & (BYTE - 1))
    for i in range(1, len(weights) // BYTE):
        total = total + look(weights, ((a >> 8 * i) & (BYTE - 1)) + BYTE * i)
    return total


def weights_of(weights: list[int], device: torch.device) -> torch.Tensor:
    """For each byte of a set, the summed weights of its members: ``(bytes * 256,)`` int32."""
    rows = range((len(weights) + 7) // 8)
    table = [
        sum(weight for i, weight in enumerate(weights[8 * row : 8 * row + 8]) if byte >> i & 1)
        for row in rows
        for byte in range(BYTE)
    ]
    return torch.tensor(table, dtype=DTYPE, device=device)


def nth_members(device: torch.device) -> torch.Tensor:
    """``(256 * 8,)`` int32: at ``8 * byte + k``, the byte's member number ``k``; 0 for none."""
    table = [
        next((i for i in range(8) if byte >> i & 1 and (byte & mask(range(i))).bit_count() == k), 0)
        for byte in range(BYTE)
        for k in range(8)
    ]
    return torch.tensor(table, dtype=DTYPE, device=device)


def draw(
    a: torch.Tensor, chance: torch.Tensor, counts: torch.Tensor, nth: torch.Tensor
) -> torch.Tensor:
    """A uniformly drawn member of each set.

    Args:
        a: ``(B,)`` sets.
        chance: ``(B,)`` uniform in [0, 1), float32.
        counts: a table of unit weights.
        nth: the table of :func:`nth_members`.

    Returns:
        ``(B,)`` int32, -1 for the empty set.
    """
    parts = [(a >> 8 * i) & (BYTE - 1) for i in range(len(counts) // BYTE)]
    sizes = [look(counts, part) for part in parts]
    # chance < 1 keeps this below the size even after rounding: sizes are far below 2^24.
    left = (chance * sum(sizes[1:], sizes[0])).to(DTYPE)
    chosen = torch.full_like(a, -1)
    for i, (part, size) in enumerate(zip(parts, sizes, strict=True)):
        inside = (left >= 0) & (left < size)
        here = look(nth, 8 * part + left.clamp(min=0, max=7)) + 8 * i
        chosen = torch.where(inside, here, chosen)
        left = left - size
    return chosen
