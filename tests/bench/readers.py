"""Readers of a capture that are Python: ``python -m tests.bench.readers NAME FILE``.

Each prints ``{"packets": …, "flows": …}``, flows where it knows them. Imports are inside, so that a
reader runs where only its own library is installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from struct import unpack_from

Counts = dict[str, int]


def decode(path: Path) -> Counts:
    """Ours, up to the packets' columns."""
    from agent.capture.files import CaptureReader

    with CaptureReader(path) as reader:
        return {"packets": sum(batch.n for batch in reader.batches())}


def observe(path: Path) -> Counts:
    """Ours, up to the observations: nobody is asked, everything is allowed."""
    from agent.capture.files import CaptureReader
    from agent.config import Settings
    from agent.enforce.record import Recorder
    from agent.engine import Engine
    from agent.replay import steps
    from tests.agent.flows.golden import Onlooker

    engine = Engine(Settings(), Onlooker(), Recorder())
    engine.table.collects_ended = False
    with CaptureReader(path) as reader:
        points = sum(len(step.points) for step in steps(reader, engine))
        return {"packets": reader.packets, "flows": engine.table.flows, "points": points}


def dpkt(path: Path) -> Counts:
    """dpkt's reader, with the 5-tuple parsed below."""
    from dpkt.pcap import Reader

    with path.open("rb") as file:
        return _count(frame for _, frame in Reader(file))


def scapy(path: Path) -> Counts:
    """scapy's raw reader, with the 5-tuple parsed below."""
    from scapy.utils import RawPcapReader

    with RawPcapReader(str(path)) as reader:
        return _count(frame for frame, _ in reader)


def nfstream(path: Path) -> Counts:
    """NFStream with its statistics and without its protocol detection."""
    from nfstream import NFStreamer

    packets = flows = 0
    for flow in NFStreamer(source=str(path), n_dissections=0, statistical_analysis=True):
        packets += flow.bidirectional_packets
        flows += 1
    return {"packets": packets, "flows": flows}


def _count(frames: Iterable[bytes]) -> Counts:
    """The least that pure Python can do: packets of each 5-tuple, both directions as one."""
    packets = 0
    flows: dict[bytes, int] = {}
    for frame in frames:
        packets += 1
        key = _key(frame)
        flows[key] = flows.get(key, 0) + 1
    flows.pop(b"", None)
    return {"packets": packets, "flows": len(flows)}


def _key(frame: bytes) -> bytes:
    """Protocol and both ends; empty for what is neither IPv4 nor IPv6."""
    start, ethertype = 14, frame[12:14]
    if ethertype == b"\x81\x00":
        start, ethertype = 18, frame[16:18]
    if ethertype == b"\x08\x00":
        proto, source, size, ports = frame[start + 9], start + 12, 4, (frame[start] & 15) * 4
    elif ethertype == b"\x86\xdd":
        proto, source, size, ports = frame[start + 6], start + 8, 16, 40
    else:
        return b""
    sport = dport = b""
    if proto in {6, 17}:
        sport, dport = unpack_from("2s2s", frame, start + ports)
    a = frame[source : source + size] + sport
    b = frame[source + size : source + 2 * size] + dport
    return bytes((proto,)) + (a + b if a < b else b + a)


READERS: dict[str, Callable[[Path], Counts]] = {
    reader.__name__: reader for reader in (decode, observe, dpkt, scapy, nfstream)
}

if __name__ == "__main__":
    print(json.dumps(READERS[sys.argv[1]](Path(sys.argv[2]))))
