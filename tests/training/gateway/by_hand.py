"""Recordings made by hand: flows with one decision point each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent.observation import FEATURES
from training.gateway.recording import SEGMENTS, Recording

MALICIOUS, BENIGN, UNKNOWN = 1, 0, -1


def recording(flows: Sequence[tuple[float, int, int]]) -> Recording:
    """Flows with a time in seconds, a label and the number of the service that they ask for.

    All have one source, which is no local host; each service has a peer of its own.
    """
    count, services = len(flows), 1 + max(service for _, _, service in flows)
    times, labels, service = (np.array(column) for column in zip(*flows, strict=True))
    nothing = np.zeros((count, SEGMENTS), np.float32)
    nobody, source = np.full(count, -1), np.zeros(count, np.int64)
    keys = np.stack([source, 1 + service, 1 + services + service, nobody], axis=1)
    return Recording(
        observations=np.zeros((count, len(FEATURES)), np.float32),
        time_ns=np.rint(times * 1e9).astype(np.int64),
        flow=np.arange(count, dtype=np.int32),
        before=np.full(count, -1, np.int32),
        share=np.ones(count, np.float32),
        segment_bytes=nothing,
        segment_packets=nothing,
        segment_gap_s=nothing,
        label=labels.astype(np.int8),
        family=np.full(count, ""),
        keys=keys.astype(np.int32),
        source_keys=np.full((count, 2), -1, np.int32),
        hosts=np.stack([source, 1 + service], axis=1).astype(np.int32),
        packets=np.ones(count, np.int32),
        host_first_ns=np.zeros(1 + services, np.int64),
        num_keys=1 + 2 * services,
    )
