"""What others see of a capture: dpkt of its packets, the agent of its flows."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

import dpkt
import numpy as np

from agent.capture.files import open_capture
from agent.config import Settings
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.replay import steps
from tests.agent.flows.golden import Onlooker
from training.gateway.synth.wire import Wire

Address = IPv4Address | IPv6Address
Key = tuple[Address, int, Address, int, int]


class Seen(NamedTuple):
    at: int  # ns
    key: Key
    transport: dpkt.Packet
    size: int  # bytes of the transport's header and payload, on the wire
    ttl: int


def read(path: Path) -> Iterator[Seen]:
    """The IP packets of a capture, read with dpkt alone."""
    with path.open("rb") as file:
        for seconds, frame in dpkt.pcap.Reader(file):
            ip = dpkt.ethernet.Ethernet(frame).data
            if isinstance(ip, dpkt.ip.IP | dpkt.ip6.IP6):
                sport, dport = (getattr(ip.data, port, 0) for port in ("sport", "dport"))
                key = (ip_address(ip.src), sport, ip_address(ip.dst), dport, ip.p)
                size = ip.plen if ip.v == 6 else ip.len - 4 * ip.hl
                ttl = ip.hlim if ip.v == 6 else ip.ttl
                yield Seen(round(seconds * 1_000_000) * 1000, key, ip.data, size, ttl)


def packets(wire: Wire, folder: Path) -> list[Seen]:
    """The IP packets of a wire."""
    wire.save(folder, "seen")
    return list(read(folder / "seen.pcap"))


def flows(wire: Wire, folder: Path) -> np.ndarray:  # type: ignore[type-arg]
    """The wire's flows as the agent follows them, `agent.flows.records.FLOW`."""
    wire.save(folder, "seen")
    engine = Engine(Settings(), Onlooker(), Recorder())
    ended = []
    with open_capture(folder / "seen.pcap") as reader:
        for _ in steps(reader, engine):
            ended.append(engine.table.ended[: engine.table.n_ended].copy())
    return np.concatenate(ended)
