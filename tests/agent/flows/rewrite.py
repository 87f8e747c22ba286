"""Copies of a capture that differ in what no policy may see: names of hosts, ports, times, bytes.

Reads what our samples are, little-endian pcap of Ethernet in microseconds, and changes nothing but
the bytes asked for. Checksums are left wrong: the agent does not read them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, NamedTuple, Self

from tests.agent.capture.helpers import block, pcap_header, pcap_record, section

VXLAN_PORTS: Final = frozenset({4789, 8472})
"""The agent looks inside (`agent.capture.tunnel`)."""

_WITH_PORTS: Final = (6, 17, 132)  # TCP, UDP, SCTP
_HEADER_BYTES: Final = {1: 8, 17: 8, 58: 8}  # of ICMP, UDP and ICMPv6
_CHECKSUMS: Final = {1: 2, 6: 16, 17: 6, 58: 2}  # where they stand in those headers, and TCP's


class Frame(NamedTuple):
    time_us: int
    wire: int  # bytes of it that were on the wire
    data: bytes


@dataclass(frozen=True)
class Layout:
    """Where the fields of an Ethernet frame with an IP packet begin."""

    ip: int
    src: int
    dst: int
    size: int  # of an address
    proto: int
    transport: int
    has_ports: bool

    @classmethod
    def of(cls, data: bytes) -> Self | None:
        ip = 18 if data[12:14] == b"\x81\x00" else 14  # behind a VLAN tag
        if data[ip - 2 : ip] == b"\x08\x00":
            transport, proto = ip + (data[ip] & 15) * 4, data[ip + 9]
            is_tail = struct.unpack_from(">H", data, ip + 6)[0] & 0x1FFF != 0
            has_ports = proto in _WITH_PORTS and not is_tail
            return cls(ip, ip + 12, ip + 16, 4, proto, transport, has_ports)
        if data[ip - 2 : ip] == b"\x86\xdd":
            proto, transport = data[ip + 6], ip + 40
            while proto in (0, 43, 60):  # extension headers (RFC 8200, 4)
                proto, transport = data[transport], transport + (data[transport + 1] + 1) * 8
            return cls(ip, ip + 8, ip + 24, 16, proto, transport, proto in _WITH_PORTS)
        return None


class Trace:
    """The frames of a capture."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self.frames = list(frames)
        self.layouts = [Layout.of(frame.data) for frame in self.frames]

    @classmethod
    def read(cls, path: Path) -> Self:
        data = path.read_bytes()
        ours = pcap_header()
        assert data[:4] + data[20:24] == ours[:4] + ours[20:24], "another kind of capture"
        frames, at = [], len(ours)
        while at < len(data):
            seconds, micros, captured, wire = struct.unpack_from("<IIII", data, at)
            at += 16
            frames.append(Frame(seconds * 10**6 + micros, wire, data[at : at + captured]))
            at += captured
        return cls(frames)

    def pcap(self) -> bytes:
        return pcap_header() + b"".join(
            pcap_record(f.data, *divmod(f.time_us, 10**6), wire=f.wire) for f in self.frames
        )

    def pcapng(self) -> bytes:
        """One section with one interface; times in microseconds, as is the default."""
        blocks = [section(), block(1, struct.pack("<HHI", 1, 0, 0))]
        for f in self.frames:
            times = f.time_us >> 32, f.time_us & 0xFFFFFFFF
            blocks.append(block(6, struct.pack("<IIIII", 0, *times, len(f.data), f.wire) + f.data))
        return b"".join(blocks)

    def addresses(self) -> list[bytes]:
        """4 or 16 bytes each."""
        found = {
            frame.data[at : at + layout.size]
            for frame, layout in zip(self.frames, self.layouts, strict=True)
            if layout is not None
            for at in (layout.src, layout.dst)
        }
        return sorted(found)

    def ports(self) -> list[int]:
        found = {
            port
            for frame, layout in zip(self.frames, self.layouts, strict=True)
            if layout is not None and layout.has_ports
            for port in struct.unpack_from(">HH", frame.data, layout.transport)
        }
        return sorted(found)

    def edited(self, edit: Callable[[bytearray, Layout], None]) -> Trace:
        """The same with the bytes of each IP packet's frame changed in place."""
        frames = []
        for frame, layout in zip(self.frames, self.layouts, strict=True):
            data = bytearray(frame.data)
            if layout is not None:
                edit(data, layout)
            frames.append(frame._replace(data=bytes(data)))
        return Trace(frames)

    def with_addresses(self, new: Mapping[bytes, bytes], random: Random) -> Trace:
        """Other IP addresses, and every MAC address another one."""
        cards: dict[bytes, bytes] = {}

        def edit(data: bytearray, layout: Layout) -> None:
            for at in (0, 6):
                old = bytes(data[at : at + 6])
                data[at : at + 6] = cards.setdefault(old, random.randbytes(6))
            for at in (layout.src, layout.dst):
                data[at : at + layout.size] = new[bytes(data[at : at + layout.size])]

        return self.edited(edit)

    def with_ports(self, new: Mapping[int, int]) -> Trace:
        def edit(data: bytearray, layout: Layout) -> None:
            if layout.has_ports:
                old = struct.unpack_from(">HH", data, layout.transport)
                struct.pack_into(">HH", data, layout.transport, *(new[port] for port in old))

        return self.edited(edit)

    def with_contents(self, random: Random) -> Trace:
        """Other payloads, checksums, IP identifications and TTLs."""

        def edit(data: bytearray, layout: Layout) -> None:
            body = _body(data, layout)
            data[body:] = random.randbytes(len(data) - body)
            checksum = layout.transport + _CHECKSUMS.get(layout.proto, len(data))
            if checksum + 2 <= body:
                data[checksum : checksum + 2] = random.randbytes(2)
            if layout.size == 16:
                data[layout.ip + 7] = random.randrange(1, 256)  # hop limit
                return
            data[layout.ip + 8] = random.randrange(1, 256)  # TTL
            data[layout.ip + 10 : layout.ip + 12] = random.randbytes(2)
            if data[layout.ip + 6] & 0x3F == data[layout.ip + 7] == 0:  # no fragment
                data[layout.ip + 4 : layout.ip + 6] = random.randbytes(2)

        return self.edited(edit)

    def shifted(self, us: int) -> Trace:
        return Trace(frame._replace(time_us=frame.time_us + us) for frame in self.frames)


def _body(data: bytearray, layout: Layout) -> int:
    """Where what no protocol field that we read can be in begins; the end where that is unclear."""
    at = layout.transport
    if layout.proto == 6 and at + 12 < len(data):
        header = (data[at + 12] >> 4) * 4
    elif layout.has_ports and VXLAN_PORTS & {*struct.unpack_from(">HH", data, at)}:
        header = len(data)
    else:
        header = _HEADER_BYTES.get(layout.proto, len(data))
    return min(at + header, len(data))
