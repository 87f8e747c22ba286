"""From a capture to a recording, through the agent's own engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.capture.files import CaptureReader, open_capture
from agent.capture.packets import PacketBatch, Undecoded
from agent.config import Settings
from agent.decision import RuleKind, Verdict
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.flows.records import FLOW, POINT
from agent.labels import Labels, label_of
from agent.observation import FEATURES
from agent.replay import steps
from training.gateway.recording import NO_KEY, SEGMENTS, Recording
from training.gateway.through import Through

_NS: Final = 1_000_000_000
_ENDS: Final = ("src_hi", "src_lo", "sport", "dst_hi", "dst_lo", "dport")
_PACKET: Final = np.dtype(
    [
        *((name, "u8") for name in _ENDS),
        ("vlan", "u8"),
        ("proto", "u8"),
        ("ts_ns", "i8"),
        ("ip_bytes", "i8"),
    ]
)


class AllowAll:
    """The policy that allows everything."""

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, F)`` to ``(n, 4)``."""
        logits = np.zeros((len(observations), len(Verdict)), np.float32)
        logits[:, Verdict.ALLOW] = 1e3
        return logits


class _Watched(Through):
    """A reader whose packets are kept, too."""

    def __init__(self, reader: CaptureReader) -> None:
        super().__init__(reader)
        self.parts: list[NDArray[np.void]] = [np.zeros(0, _PACKET)]

    def batches(self) -> Iterator[PacketBatch]:
        """Packets in order; a batch is valid until the next is asked for."""
        for batch in self._reader.batches():
            kept = batch.status[: batch.n] == Undecoded.OK
            part = np.zeros(int(kept.sum()), _PACKET)
            for name in (*_ENDS, "vlan", "proto", "ip_bytes"):
                part[name] = getattr(batch, name)[: batch.n][kept]
            part["ts_ns"] = batch.ts[: batch.n][kept]
            self.parts.append(part)
            yield batch


def record(capture: Path, labels: Labels, settings: Settings | None = None) -> Recording:
    """Follow a capture once.

    Args:
        capture: a file.
        labels: of its flows.
        settings: of the agent; its defaults if left out.

    Raises:
        CaptureError: the file cannot be opened, or is no capture.
    """
    engine = Engine(settings or Settings(), AllowAll(), Recorder())
    points, observations, ended = [np.zeros(0, POINT)], [_no_observations()], [np.zeros(0, FLOW)]
    with open_capture(capture) as reader:
        watched = _Watched(reader)
        for step in steps(watched, engine):
            points.append(step.points.copy())
            observations.append(step.observations.copy())
            ended.append(engine.table.ended[: engine.table.n_ended].copy())
    flows = np.concatenate(ended)
    return _made(
        np.concatenate(points),
        np.concatenate(observations),
        flows[np.argsort(flows["serial"])],
        np.concatenate(watched.parts),
        labels,
    )


def _no_observations() -> NDArray[np.float32]:
    return np.zeros((0, len(FEATURES)), np.float32)


def _made(
    points: NDArray[np.void],
    observations: NDArray[np.float32],
    flows: NDArray[np.void],
    packets: NDArray[np.void],
    labels: Labels,
) -> Recording:
    """A recording of what a pass has found; flows in the order of their serials."""
    flow = points["serial"].astype(np.int64) - 1
    start = int(points["ts_ns"].min()) // _NS * _NS if len(points) else 0
    owner = _owners(flows, packets)
    before, share, segments = _follow(points, flow, packets, owner, len(flows))
    known = [label_of(labels, each) for each in flows]
    keys, count = _keys(points, flow, len(flows))
    hosts, first_ns = _hosts(flows)
    return Recording(
        observations=observations,
        time_ns=points["ts_ns"] - start,
        flow=flow.astype(np.int32),
        before=before,
        share=share,
        segment_bytes=segments[0],
        segment_packets=segments[1],
        segment_gap_s=segments[2],
        label=np.array([-1 if each is None else each.malicious for each in known], np.int8),
        family=np.array(["" if each is None else each.family for each in known], np.str_),
        keys=keys[:, :4],
        source_keys=keys[:, 4:],
        hosts=hosts,
        packets=(flows["packets_fwd"] + flows["packets_bwd"]).astype(np.int32),
        host_first_ns=first_ns - start,
        num_keys=count,
    )


def _owners(flows: NDArray[np.void], packets: NDArray[np.void]) -> NDArray[np.int64]:
    """Each packet's flow ``(P,)``: the latest on its 5-tuple and VLAN that had begun by then."""
    words = np.unique(np.concatenate([_five(flows), _five(packets)]), return_inverse=True)[1]
    # Where time runs backwards it stands still, as in the agent's table.
    times = np.concatenate([flows["first_ns"], np.maximum.accumulate(packets["ts_ns"])])
    ranks = np.unique(times, return_inverse=True)[1]
    both = words.astype(np.int64) << 32 | ranks
    begun, asked = both[: len(flows)], both[len(flows) :]
    order = np.argsort(begun, kind="stable")
    return order[np.searchsorted(begun[order], asked, side="right") - 1]


def _five(rows: NDArray[np.void]) -> NDArray[np.void]:
    """5-tuple and VLAN of flows or packets, alike in both directions."""
    ends = np.stack([rows[name].astype(np.uint64) for name in _ENDS], axis=1)
    src, dst = ends[:, :3], ends[:, 3:]
    differs = src != dst
    first = differs.argmax(axis=1)[:, None]  # the word that decides which end is the greater one
    turned = np.take_along_axis(src, first, 1) > np.take_along_axis(dst, first, 1)
    both = np.where(turned, np.hstack([dst, src]), ends)
    more = [(rows["vlan"] & 0xFFFFFF).astype(np.uint64), rows["proto"].astype(np.uint64)]
    table = np.ascontiguousarray(np.column_stack([both, *more]))
    return table.view(np.dtype([("", np.uint64)] * table.shape[1]))[:, 0]


def _follow(
    points: NDArray[np.void],
    flow: NDArray[np.int64],
    packets: NDArray[np.void],
    owner: NDArray[np.int64],
    num_flows: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """What happens between decision points: ``before``, ``share``, and the three of segments."""
    n = len(points)
    order = np.lexsort((points["packets"], flow))  # of points, each flow's together
    same = flow[order[1:]] == flow[order[:-1]]
    before = np.full(n, -1, np.int32)
    before[order[1:][same]] = order[:-1][same]

    by_flow = np.argsort(owner, kind="stable")
    first = np.searchsorted(owner[by_flow], np.arange(num_flows))
    number = np.arange(len(by_flow)) - first[owner[by_flow]]  # of a packet in its flow, from 0
    asked = owner[by_flow] << 32 | number
    place = np.searchsorted((flow << 32 | points["packets"])[order], asked, side="right") - 1
    ahead = (place < 0) | (flow[order[place]] != owner[by_flow])  # of its flow's first point
    point = order[np.where(ahead, place + 1, place) % max(n, 1)]

    size = packets["ip_bytes"][by_flow].astype(np.float64)
    whole = np.bincount(owner[by_flow], size, num_flows)
    share = np.bincount(point, size, n) / np.maximum(whole[flow], 1)
    segments = _segments(points, point[~ahead], packets[by_flow][~ahead])
    return before, share.astype(np.float32), segments


def _segments(
    points: NDArray[np.void], point: NDArray[np.int64], packets: NDArray[np.void]
) -> NDArray[np.float32]:
    """``(3, N, SEGMENTS)``: bytes, packets and gaps in seconds.

    Args:
        points: all decision points.
        point: ``(P,)``, after which each packet comes; equal ones together, in order of time.
        packets: ``(P,)``.
    """
    n = len(points)
    found = np.zeros((3, n, SEGMENTS), np.float32)
    if not len(packets):
        return found
    many = np.bincount(point, minlength=n)
    begins = np.flatnonzero(np.r_[True, point[1:] != point[:-1]])
    rank = np.arange(len(point)) - np.repeat(begins, np.diff(np.r_[begins, len(point)]))
    segment = np.where(many[point] > SEGMENTS, rank * SEGMENTS // many[point], rank)
    np.add.at(found[0], (point, segment), packets["ip_bytes"])
    np.add.at(found[1], (point, segment), 1)
    latest = np.tile(points["ts_ns"][:, None], (1, SEGMENTS + 1))
    np.maximum.at(latest, (point, segment + 1), packets["ts_ns"])
    latest = np.maximum.accumulate(latest, axis=1)
    found[2] = np.diff(latest, axis=1) / _NS
    return found


def _keys(
    points: NDArray[np.void], flow: NDArray[np.int64], num_flows: int
) -> tuple[NDArray[np.int32], int]:
    """What rules on each flow name ``(M, 6)``, as numbers, and how many there are.

    Source, service, peer, host; then the source as a peer and as a host.
    """
    numbers: dict[tuple[int, ...], int] = {}
    keys = np.full((num_flows, 6), NO_KEY, np.int32)
    for number, row in zip(*np.unique(flow, return_index=True), strict=True):
        point = points[row]
        source = int(point["source_hi"]), int(point["source_lo"])
        peer = int(point["peer_hi"]), int(point["peer_lo"])
        host = int(point["host_hi"]), int(point["host_lo"])
        service = int(point["proto"]), int(point["dport"])
        named = (
            (RuleKind.THROTTLE_SOURCE, *source),
            (RuleKind.BLOCK_SERVICE, *peer, *service),
            (RuleKind.BLOCK_PEER, *peer),
            (RuleKind.ISOLATE_HOST, *host) if any(host) else None,
            (RuleKind.BLOCK_PEER, *source),
            (RuleKind.ISOLATE_HOST, *source),
        )
        keys[number] = [
            NO_KEY if name is None else numbers.setdefault(name, len(numbers)) for name in named
        ]
    return keys, len(numbers)


def _hosts(flows: NDArray[np.void]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Numbers of each flow's ends ``(M, 2)``, and when each host was first seen ``(H,)``."""
    ends = np.concatenate(
        [np.stack([flows[f"{end}_hi"], flows[f"{end}_lo"]], axis=1) for end in ("src", "dst")]
    )
    hosts, number = np.unique(ends, axis=0, return_inverse=True)
    first = np.full(len(hosts), np.iinfo(np.int64).max)
    np.minimum.at(first, number, np.tile(flows["first_ns"], 2))
    return number.reshape(2, -1).T.astype(np.int32), first
