"""What a throttle does to a flow: a token bucket of 100 kbit/s, as a queue.

Each flow has a bucket of its own. Every packet that finds no tokens waits until there are; what
waits is the backlog, and the Lindley recursion (Lindley 1952) gives it from packet to packet.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch

RATE: Final = 12_500.0
"""Bytes/s: 100 kbit/s."""
BURST: Final = 3_000.0
"""Bytes that pass at once, as in `agent.flows.hosts`."""


class Throttled(NamedTuple):
    """What became of the packets of an interval, ``(B,)`` each."""

    backlog: torch.Tensor  # bytes for which tokens are owed after the last packet
    latency_s: torch.Tensor  # mean over the packets; 0 where there is none
    passed: torch.Tensor  # share of the bytes that did not have to wait beyond the interval


def throttle(backlog: torch.Tensor, segments: torch.Tensor) -> Throttled:
    """Let an interval's packets queue for tokens.

    Args:
        backlog: ``(B,)`` bytes that tokens are owed for, at the interval's start.
        segments: ``(B, 3, S)``: bytes, packets, and gap in seconds before each; a segment of
            several packets counts as if they came together at its end.

    Returns:
        See `Throttled`.
    """
    size, packets, gap = segments.unbind(1)
    # Backlog b' = max(b - RATE gap, 0) + size, unrolled: a walk that is held at zero (Asmussen
    # 2003, Applied Probability and Queues, III.6) is the walk minus its lowest point so far.
    drained = RATE * gap
    walk = backlog[:, None] + (size - drained).cumsum(1)
    lowest = (walk - size).cummin(1).values.clamp(max=0)
    waiting = walk - lowest
    late = (waiting - BURST).clamp(min=0) / RATE
    count = packets.sum(1)
    latency = (late * packets).sum(1) / count.clamp(min=1)
    held = (waiting[:, -1] - BURST).clamp(min=0) - (backlog - BURST).clamp(min=0)
    passed = 1 - (held / size.sum(1).clamp(min=1)).clamp(0, 1)
    return Throttled(waiting[:, -1], latency, passed)
