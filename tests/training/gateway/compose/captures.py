"""Captures of a few packets, and what the agent sees of a capture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw
from scapy.utils import RawPcapWriter

from agent.addresses import text
from agent.capture.files import open_capture
from agent.config import Settings
from agent.decision import Decisions
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.flow_key import FlowKey
from agent.labels import FlowLabels
from agent.observation import FEATURES
from agent.replay import steps
from training.gateway.compose.parts import Part, cut
from training.gateway.corpus import Capture

BEGIN = 1_700_000_000
BENIGN = FlowLabels.whole_capture(False, "web")
FLOW_FEATURES = [
    i
    for i, feature in enumerate(FEATURES)
    if feature.source == "flow" and feature.name not in {"initiator_local", "responder_local"}
]

Timed = tuple[float, Packet | bytes]


def capture(
    path: str, label: str = "benign", family: str = "web", source: str = "own", **more: Any
) -> Capture:
    return Capture(path=path, sha256="0" * 64, label=label, family=family, source=source, **more)  # type: ignore[arg-type]


def write(path: Path, packets: Iterable[Timed], link: int = 1) -> Path:
    """A capture in microseconds."""
    with RawPcapWriter(str(path), linktype=link, endianness="<") as writer:
        writer.write_header(None)
        for at, packet in packets:
            micros = round((BEGIN + at) * 1e6)
            frame = bytes(packet)
            writer.write_packet(frame, sec=micros // 10**6, usec=micros % 10**6)
    return path


def udp(src: str, dst: str, sport: int = 40000, dport: int = 53, size: int = 40) -> Packet:
    layer = IPv6 if ip_address(src).version == 6 else IP
    return Ether() / layer(src=src, dst=dst) / UDP(sport=sport, dport=dport) / Raw(bytes(size))


def syn(src: str, dst: str, sport: int, dport: int, flags: str = "S") -> Packet:
    return Ether() / IP(src=src, dst=dst) / TCP(sport=sport, dport=dport, flags=flags)


def talk(src: str, dst: str, at: float, sport: int = 40000, dport: int = 443) -> list[Timed]:
    """A request of 100 bytes and an answer of 900, over TCP."""
    ends = {"sport": sport, "dport": dport}
    back = {"sport": dport, "dport": sport}
    there, here = IP(src=src, dst=dst), IP(src=dst, dst=src)
    packets = [
        there / TCP(**ends, flags="S", seq=1),
        here / TCP(**back, flags="SA", seq=1, ack=2),
        there / TCP(**ends, flags="A", seq=2, ack=2),
        there / TCP(**ends, flags="PA", seq=2, ack=2) / Raw(bytes(100)),
        here / TCP(**back, flags="PA", seq=2, ack=102) / Raw(bytes(900)),
        there / TCP(**ends, flags="FA", seq=102, ack=902),
        here / TCP(**back, flags="FA", seq=902, ack=103),
    ]
    return [(at + i * 0.02, Ether() / packet) for i, packet in enumerate(packets)]


def parts_of(path: Path, minutes: float = 10, labels: FlowLabels = BENIGN) -> list[Part]:
    return cut(capture(path.name), path.parent, labels, minutes)


class _AllowAll:
    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = np.zeros((len(observations), 4), np.float32)
        logits[:, 0] = 100
        return logits


Seen = dict[FlowKey, list[dict[int, bytes]]]
"""By 5-tuple, its flows in order; of each, by packets so far, what a policy sees of the flow."""


def seen(path: Path) -> Seen:
    """What an agent that allows everything sees of a capture's flows."""
    engine = Engine(Settings(), _AllowAll(), Recorder())
    flows: dict[int, dict[int, bytes]] = {}
    keys: dict[int, FlowKey] = {}
    with open_capture(path) as reader:
        for decisions in steps(reader, engine):
            for serial, key, packets, row in _points(decisions):
                keys[serial] = key
                flows.setdefault(serial, {})[packets] = row
    found: Seen = {}
    for serial in sorted(flows):
        found.setdefault(keys[serial], []).append(flows[serial])
    return found


def _points(decisions: Decisions) -> Iterator[tuple[int, FlowKey, int, bytes]]:
    for point, observation in zip(decisions.points, decisions.observations, strict=True):
        row = observation[FLOW_FEATURES].tobytes()
        yield int(point["serial"]), FlowKey.of(point), int(point["packets"]), row


def regular(flow: dict[int, bytes]) -> dict[int, bytes]:
    """Decision points that are there whatever else happens: after 1, 2, 4 … packets."""
    return {n: row for n, row in flow.items() if n & (n - 1) == 0}


def addresses_of(path: Path) -> set[str]:
    """All in the headers that the agent follows."""
    found: set[tuple[int, int]] = set()
    with open_capture(path) as reader:
        for batch in reader.batches():
            ok = batch.status[: batch.n] == 0
            for end in ("src", "dst"):
                words = [getattr(batch, f"{end}_{half}")[: batch.n][ok] for half in ("hi", "lo")]
                found |= set(zip(*(column.tolist() for column in words), strict=True))
    return {text(*address) for address in found}


def hosts_of(part: Part) -> Sequence[str]:
    return [text(hi, lo) for hi, lo in part.hosts.tolist()]
