"""Parts: a capture, cut where nothing is torn that an observation tells of.

The hosts of a part talk to nobody outside of it. Only what is too large for one part is cut in
time, between conversations: a scan of 10,000 flows becomes many scans of a few hundred.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.allowlist import networks
from agent.capture.packets import PacketBatch
from agent.config import HOME_NETWORKS
from agent.labels import Label, Labels
from training.gateway.compose.clock import absences, capped, idle_gaps
from training.gateway.compose.conversations import (
    NO_HOST,
    NS,
    Talk,
    split_self_talk,
    within,
)
from training.gateway.compose.flows import ended_flows, key_at, label_of
from training.gateway.compose.packets import IpPackets, read_packets, rows_of
from training.gateway.corpus import Capture

MOST_FLOWS: Final = 350  # conversations of a part; what a gateway sees in minutes
MOST_PACKETS: Final = 4000  # unless one conversation has more

_LINK_LOCAL: Final = networks(("169.254.0.0/16", "fe80::/10"))
_PRIVATE: Final = networks((*HOME_NETWORKS, "127.0.0.0/8", "::1"))
_BROADCAST: Final = 255  # last byte of a subnet's broadcast address, as subnets usually are


class Kind(IntEnum):
    """What an address of a part is."""

    PUBLIC = 0
    PRIVATE = 1
    LINK_LOCAL = 2
    BROADCAST = 3  # of the subnet
    GROUP = 4  # multicast, limited broadcast, or no address yet: the same in every network


@dataclass(frozen=True, slots=True)
class PartFlow:
    """A flow, as the agent follows it; ``src`` and ``dst`` are rows of the part's hosts."""

    start_ns: int  # on the part's clock
    src: int
    sport: int
    dst: int
    dport: int
    proto: int
    label: Label | None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a capture, of ``n`` packets between ``h`` hosts.

    Attributes:
        capture: its path in the corpus.
        source: whose it is.
        begin_ns: time of the first packet, ns since 1970.
        times: ``(n,)`` ns after that, ascending, silences that are nobody's cut to 2 minutes.
        idle: packets before which such a silence lies.
        content: ``(n, 82)`` uint8, from the IP header on, cut or filled with zeros.
        kept: ``(n,)`` bytes of those that the capture holds.
        wire: ``(n,)`` bytes that an Ethernet frame around the IP packet would have.
        src, dst: ``(n,)`` rows of ``hosts``.
        hosts: ``(h, 2)`` uint64, addresses as words.
        kinds: ``(h,)`` of `Kind`.
        flows: in the order of their ends.
    """

    capture: str
    source: str
    begin_ns: int
    times: NDArray[np.int64]
    idle: NDArray[np.int64]
    content: NDArray[np.uint8]
    kept: NDArray[np.int64]
    wire: NDArray[np.int64]
    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    hosts: NDArray[np.uint64]
    kinds: NDArray[np.uint8]
    flows: tuple[PartFlow, ...]

    @property
    def duration_ns(self) -> int:
        """First to last packet."""
        return int(self.times[-1])

    @property
    def family(self) -> str | None:
        """The malicious family of most flows; None where no flow is malicious."""
        found = Counter(f.label.family for f in self.flows if f.label and f.label.malicious)
        return found.most_common(1)[0][0] if found else None

    @property
    def is_v6(self) -> NDArray[np.bool_]:
        """``(h,)``: which addresses are IPv6."""
        return np.asarray((self.hosts[:, 0] != 0) | (self.hosts[:, 1] >> np.uint64(32) != 0xFFFF))

    @property
    def speaks(self) -> NDArray[np.bool_]:
        """``(h,)``: which hosts send at least one packet."""
        return np.bincount(self.src, minlength=len(self.hosts)) > 0


def cut(capture: Capture, folder: Path, labels: Labels, minutes: float) -> list[Part]:
    """Cut a capture into parts that last at most ``minutes`` each.

    Frames without IP are left out, and so is what of a conversation comes later than ``minutes``
    after its part's first packet. Parts without any labelled flow are left out too.

    Raises:
        CaptureError: the file cannot be opened, or is no capture.
    """
    packets = read_packets(folder / capture.path)
    if not packets.columns.n:
        return []
    split_self_talk(packets.columns)
    talk = Talk.of(packets.columns)
    kinds = [""] * len(talk.first)
    if capture.label == "per flow":
        kinds = _families(packets.columns, talk, labels)
    parts = []
    for group in _packed(talk, kinds):
        rows = np.flatnonzero(np.isin(talk.conversation, group))
        for each, times in _in_time(packets.ts, talk, rows, round(minutes * 60 * NS)):
            part = _part(capture, packets, talk, each, times, labels)
            if any(flow.label for flow in part.flows):
                parts.append(part)
    return parts


def _families(packets: PacketBatch, talk: Talk, labels: Labels) -> list[str]:
    """The malicious family of each conversation's component; empty where it is benign."""
    of_component: dict[int, str] = {}
    for row, component in zip(talk.first.tolist(), talk.component.tolist(), strict=True):
        label = label_of(labels, key_at(packets, row), int(packets.ts[row]))
        if label and label.malicious:
            of_component.setdefault(component, label.family)
    return [of_component.get(component, "") for component in talk.component.tolist()]


def _packed(talk: Talk, kinds: list[str]) -> list[list[int]]:
    """Conversations by part: whole components of one kind, several while there is room."""
    components: dict[int, list[int]] = {}
    for number, component in enumerate(talk.component.tolist()):
        components.setdefault(component, []).append(number)
    packets = np.bincount(talk.conversation).tolist()
    groups: list[list[int]] = []
    filling: dict[str, tuple[list[int], int]] = {}  # of each kind: the last group, its packets

    def add(kind: str, members: list[int]) -> None:
        group, held = filling.get(kind, ([], 0))
        more = sum(packets[number] for number in members)
        if not group or len(group) + len(members) > MOST_FLOWS or held + more > MOST_PACKETS:
            group, held = [], 0
            groups.append(group)
        group.extend(members)
        filling[kind] = group, held + more

    for members in components.values():
        kind = kinds[members[0]]
        total = sum(packets[number] for number in members)
        if len(members) <= MOST_FLOWS and total <= MOST_PACKETS:
            add(kind, members)
            continue
        filling.pop(kind, None)
        for number in members:
            add(kind, [number])
    return groups


def _in_time(
    ts: NDArray[np.int64], talk: Talk, rows: NDArray[np.int64], most_ns: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Cut the packets ``rows`` at absences and where they last too long; with times from 0 on."""
    waiting = [rows]
    while waiting:
        rows = waiting.pop()
        pair = talk.pair[rows]
        if len(gone := absences(ts[rows], pair)):
            waiting.extend(reversed(np.split(rows, gone)))
            continue
        times = capped(ts[rows], idle_gaps(ts[rows], pair))
        late = np.unique(talk.conversation[rows][times > most_ns])
        begun = np.unique(talk.conversation[rows][times <= most_ns])
        later = np.setdiff1d(late, begun)
        if len(later):
            waiting.append(rows[np.isin(talk.conversation[rows], later)])
        yield rows[times <= most_ns], times[times <= most_ns]


def _part(
    capture: Capture,
    packets: IpPackets,
    talk: Talk,
    rows: NDArray[np.int64],
    times: NDArray[np.int64],
    labels: Labels,
) -> Part:
    used, ends = np.unique(np.concatenate([talk.src[rows], talk.dst[rows]]), return_inverse=True)
    src, dst = np.split(ends.reshape(-1), 2)
    hosts = talk.hosts[used]
    part = Part(
        capture=capture.path,
        source=capture.source,
        begin_ns=int(packets.ts[rows[0]]),
        times=times,
        idle=idle_gaps(times, talk.pair[rows]),
        content=packets.bytes[rows],
        kept=packets.kept[rows],
        wire=packets.columns.length[rows].astype(np.int64),
        src=src,
        dst=dst,
        hosts=hosts,
        kinds=_kinds(hosts, np.bincount(src, minlength=len(hosts)) > 0),
        flows=(),
    )
    return replace(part, flows=_flows(part, packets, rows, labels))


def _kinds(hosts: NDArray[np.uint64], speaks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    kinds = np.full(len(hosts), Kind.PUBLIC, np.uint8)
    kinds[within(hosts, _PRIVATE)] = Kind.PRIVATE
    kinds[within(hosts, _LINK_LOCAL)] = Kind.LINK_LOCAL
    is_v4 = (hosts[:, 0] == 0) & (hosts[:, 1] >> np.uint64(32) == 0xFFFF)
    looks = is_v4 & (hosts[:, 1] & np.uint64(0xFF) == _BROADCAST)
    # One only: two subnets' broadcasts would become the same address.
    kinds[np.flatnonzero(looks & ~speaks & (kinds == Kind.PRIVATE))[:1]] = Kind.BROADCAST
    kinds[within(hosts, NO_HOST)] = Kind.GROUP
    return kinds


def _flows(
    part: Part, packets: IpPackets, rows: NDArray[np.int64], labels: Labels
) -> tuple[PartFlow, ...]:
    """The part's flows as the agent follows them, with the labels that the capture gives them."""
    batch = rows_of(packets.columns, rows)
    batch.ts[:] = part.begin_ns + part.times
    index = {(int(hi), int(lo)): row for row, (hi, lo) in enumerate(part.hosts.tolist())}
    captured = packets.ts[rows]
    flows = []
    for key, start_ns in ended_flows(batch):
        at = int(np.searchsorted(batch.ts, start_ns))
        label = label_of(labels, key, int(captured[at]))
        ends = index[key.src], key.sport, index[key.dst], key.dport
        flows.append(PartFlow(start_ns - part.begin_ns, *ends, key.proto, label))
    return tuple(flows)
