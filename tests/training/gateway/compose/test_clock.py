"""Silences that are nobody's may change; nothing else of a part's clock does."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.gateway.compose.clock import capped, idle_gaps, redrawn


@given(
    st.lists(st.tuples(st.integers(0, 400 * 10**9), st.integers(0, 4)), min_size=1, max_size=30),
    st.integers(0, 100),
)
def test_only_silences_that_are_nobodys_change(steps: list[tuple[int, int]], seed: int) -> None:
    times = np.cumsum([step for step, _ in steps])
    pair = np.array([who for _, who in steps])
    idle = idle_gaps(times, pair)
    short = capped(times, idle)
    drawn = redrawn(short, idle, int(short[-1]) + 10**13, Random(seed))
    own = np.setdiff1d(np.arange(1, len(times)), idle)
    for clock in (short, drawn):
        assert clock[0] == 0
        assert np.array_equal(np.diff(clock)[own - 1], np.diff(times)[own - 1])
        changed = np.diff(clock)[idle - 1]
        assert np.all((changed >= 10 * 10**9) & (changed <= 120 * 10**9))
    for row in idle.tolist():
        assert not set(pair[:row].tolist()) & set(pair[row:].tolist())
