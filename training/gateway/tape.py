"""Recordings one after the other, as tensors on the playground's device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from training.gateway.recording import NO_KEY, Recording


class Tape:
    """R recordings: P decision points and M flows of all of them together.

    Points and flows are numbered through; keys and hosts are numbers within their recording.

    Attributes:
        obs: ``(P, F)`` float32.
        time: ``(P,)`` float64, seconds since the recording began.
        flow: ``(P,)`` int64.
        before: ``(P,)`` int64, the flow's point before; -1 at its first.
        share: ``(P,)`` float32, of the flow's bytes from this point to its next one.
        segments: ``(P, 3, S)`` float32: bytes, packets and gaps in seconds of what follows.
        malicious, benign: ``(M,)`` bool; neither where it is not known.
        keys: ``(M, 6)`` int64: source, service, peer, host, source as a peer, source as a host;
            ``num_keys`` for what is not there.
        hosts: ``(M, 2)`` int64, initiator and responder.
        host_first: ``(R, H)`` float64, when each host was first seen, seconds.
        first_flow: ``(R,)`` int64, number of each recording's first flow.
        begin, end: ``(R,)`` int64, its first point, and the one after its last.
        num_keys, num_hosts, num_flows: the most of any recording.
    """

    def __init__(self, recordings: Sequence[Recording], device: torch.device) -> None:
        def joined(columns: Sequence[NDArray[np.generic]], dtype: torch.dtype) -> torch.Tensor:
            return torch.from_numpy(np.concatenate(columns)).to(device, dtype)

        def starts(counts: Sequence[int]) -> NDArray[np.int64]:
            return np.cumsum([0, *counts])

        points = starts([len(r.time_ns) for r in recordings])
        flows = starts([len(r.label) for r in recordings])
        self.num_keys = max(r.num_keys for r in recordings)
        self.num_hosts = max(len(r.host_first_ns) for r in recordings)
        self.num_flows = max(len(r.label) for r in recordings)
        self.begin = torch.from_numpy(points[:-1]).to(device)
        self.end = torch.from_numpy(points[1:]).to(device)
        self.first_flow = torch.from_numpy(flows[:-1]).to(device)
        self.obs = joined([r.observations for r in recordings], torch.float32)
        self.time = joined([r.time_ns / 1e9 for r in recordings], torch.float64)
        each = list(zip(recordings, points, flows, strict=False))
        self.flow = joined([r.flow + flow for r, _, flow in each], torch.int64)
        self.before = joined(
            [np.where(r.before < 0, -1, r.before + point) for r, point, _ in each], torch.int64
        )
        self.share = joined([r.share for r in recordings], torch.float32)
        self.segments = joined(
            [
                np.stack([r.segment_bytes, r.segment_packets, r.segment_gap_s], axis=1)
                for r in recordings
            ],
            torch.float32,
        )
        label = joined([r.label for r in recordings], torch.int8)
        self.malicious, self.benign = label == 1, label == 0
        self.keys = joined([np.hstack([r.keys, r.source_keys]) for r in recordings], torch.int64)
        self.keys[self.keys == NO_KEY] = self.num_keys
        self.hosts = joined([r.hosts for r in recordings], torch.int64)
        self.host_first = torch.zeros(
            len(recordings), self.num_hosts, dtype=torch.float64, device=device
        )
        for row, r in zip(self.host_first, recordings, strict=True):
            row[: len(r.host_first_ns)] = torch.from_numpy(r.host_first_ns / 1e9)

    def __len__(self) -> int:
        """Recordings."""
        return len(self.begin)
