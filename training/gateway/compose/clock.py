"""A part's clock: silences in which nobody waits for anybody may be shorter or longer.

A gap is somebody's when two hosts talk before it and after it: it belongs to the rhythm of a beacon
or to a session, and is never touched. So every flow, and all that the agent knows about a pair of
hosts, stays as captured.
"""

from __future__ import annotations

from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.observation import LONG_WINDOW_S
from training.gateway.compose.conversations import NS

LONGEST_IDLE_NS: Final = 120 * NS  # of a silence that is nobody's
_SHORTEST_IDLE_NS: Final = 10 * NS
_ABSENCE_NS: Final = int(LONG_WINDOW_S * NS)  # the agent remembers a host's habits for so long


def idle_gaps(times: NDArray[np.int64], pair: NDArray[np.int64]) -> NDArray[np.int64]:
    """Packets before which at least 10 s of silence lie that are nobody's.

    Args:
        times: ``(n,)`` ns, ascending.
        pair: ``(n,)``, the same for all packets between two hosts.
    """
    silent = np.diff(times) >= _SHORTEST_IDLE_NS
    return np.flatnonzero(silent & ~_spanned(pair)) + 1


def absences(times: NDArray[np.int64], pair: NDArray[np.int64]) -> NDArray[np.int64]:
    """Packets before which a silence lies that is somebody's, but longer than the agent remembers.

    A capture is cut there, as what comes after it is news to the agent.
    """
    silent = np.diff(times) >= _ABSENCE_NS
    return np.flatnonzero(silent & _spanned(pair)) + 1


def capped(times: NDArray[np.int64], idle: NDArray[np.int64]) -> NDArray[np.int64]:
    """The times from 0 on, no silence before the packets ``idle`` longer than 2 minutes."""
    return _with_gaps(times, idle, np.minimum(_gaps(times, idle), LONGEST_IDLE_NS))


def redrawn(
    times: NDArray[np.int64], idle: NDArray[np.int64], most_ns: int, rng: Random
) -> NDArray[np.int64]:
    """The times from 0 on, silences before the packets ``idle`` drawn anew from 10 s to 2 min.

    What would last longer than ``most_ns`` in all keeps its silences.
    """
    gaps = [rng.randint(_SHORTEST_IDLE_NS, LONGEST_IDLE_NS) for _ in idle]
    drawn = _with_gaps(times, idle, np.array(gaps, np.int64))
    return drawn if drawn[-1] <= most_ns else times - times[0]


def _spanned(pair: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of each gap between packets, whether some pair talks before it and after it: ``(n - 1,)``."""
    n = len(pair)
    first = np.unique(pair, return_index=True)[1]
    last = n - 1 - np.unique(pair[::-1], return_index=True)[1]
    change = np.bincount(first, minlength=n) - np.bincount(last, minlength=n)
    return np.asarray(np.cumsum(change)[:-1] > 0)


def _gaps(times: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return times[rows] - times[rows - 1]


def _with_gaps(
    times: NDArray[np.int64], rows: NDArray[np.int64], gaps: NDArray[np.int64]
) -> NDArray[np.int64]:
    shift = np.zeros(len(times), np.int64)
    shift[rows] = gaps - _gaps(times, rows)
    return times - times[0] + np.cumsum(shift)
