"""Recordings made by hand: one decision point a flow, each with services and hosts of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.observation import LOG_SCALE, NAMES, TRANSFORMS, Transform
from tests.training.gateway.flows import flow
from training.gateway.recording import SEGMENTS, Recording


class Made(NamedTuple):
    """A flow at its second packet: what is known of it, and its first feature or its facts."""

    label: int
    family: str = "some"
    first: float = 0.0
    facts: dict[str, float] | None = None


def observation(facts: dict[str, float]) -> NDArray[np.float32]:
    """A row ``(F,)`` of facts in their units; none is negative."""
    raw = np.array([facts[name] for name in NAMES])
    logs = np.log1p(raw) / LOG_SCALE
    return np.where(TRANSFORMS == Transform.IDENTITY, raw, logs).astype(np.float32)


def observations(*facts: dict[str, float]) -> NDArray[np.float32]:
    """Rows of flows that are as usual, but for some facts."""
    return np.stack([observation(flow(**each)) for each in facts])


def recording(*flows: Made) -> Recording:
    """Flows one after the other, two seconds apart."""
    n = len(flows)
    return Recording(
        observations=np.stack([_row(each) for each in flows]),
        time_ns=np.arange(n) * 2_000_000_000,
        flow=np.arange(n, dtype=np.int32),
        before=np.full(n, -1, np.int32),
        share=np.ones(n, np.float32),
        **{f"segment_{what}": _nothing(n) for what in ("bytes", "packets", "gap_s")},
        label=np.array([each.label for each in flows], np.int8),
        family=np.array([each.family for each in flows]),
        keys=np.arange(6 * n, dtype=np.int32).reshape(n, 6)[:, :4],
        source_keys=np.arange(6 * n, dtype=np.int32).reshape(n, 6)[:, 4:],
        hosts=np.arange(2 * n, dtype=np.int32).reshape(n, 2),
        packets=np.ones(n, np.int32),
        host_first_ns=np.zeros(2 * n, np.int64),
        num_keys=6 * n,
    )


def _row(made: Made) -> NDArray[np.float32]:
    row = observation(flow(**{"packets_fwd": 1.0, "packets_bwd": 1.0} | (made.facts or {})))
    if made.facts is None:
        row[0] = made.first
    return row


def _nothing(n: int) -> NDArray[np.float32]:
    return np.zeros((n, SEGMENTS), np.float32)


def labelled(label: int, signals: Sequence[float]) -> list[Made]:
    """A flow for each signal, which stands as its first feature."""
    return [Made(label, first=signal) for signal in signals]
