"""pcap and pcapng: file headers, sections and interfaces; `records` finds the packets between them.

After draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng; the modified pcap dialect is that of
Alexey Kuznetsov's old Linux patches.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal, Protocol

from agent.capture.gunzip import GZIP_MAGIC
from agent.capture.records import MAX_BLOCK_BYTES, MAX_INTERFACES, RecordWalker, Stop

ByteOrder = Literal["little", "big"]

PCAP_HEADER_BYTES = 24
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
# Magic number: bytes of a record's header, nanoseconds per unit of its fraction.
_PCAP_DIALECTS = {
    0xA1B2C3D4: (16, 1000),
    0xA1B23C4D: (16, 1),
    0xA1B2CD34: (24, 1000),
}
_BYTE_ORDERS: tuple[ByteOrder, ByteOrder] = ("little", "big")
_PCAP_MAGICS = {
    magic.to_bytes(4, order): (order, *dialect)
    for magic, dialect in _PCAP_DIALECTS.items()
    for order in _BYTE_ORDERS
}
MAGICS = (GZIP_MAGIC, PCAPNG_MAGIC, *_PCAP_MAGICS)
# The longest packet believed where the file's own snapshot length does not promise a longer one:
# libpcap's MAXIMUM_SNAPLEN; and the longest believed at all.
_MAX_CAPTURED = 256 << 10
_MAX_SNAPLEN = 16 << 20

_REASONS = {
    Stop.BAD_LENGTH: "a record has an impossible length",
    Stop.BAD_TRAILER: "the two lengths of a block differ",
    Stop.BAD_CAPTURED: "a packet is longer than its block",
    Stop.NO_INTERFACE: "a packet is of an interface that was not declared",
}


@dataclass(frozen=True)
class Interface:
    """Where packets were captured, as the file declares it.

    Attributes:
        name: ``if_name``; empty where the file gives none, as pcap never does.
        link_type: a number of the link-type registry.
    """

    name: str
    link_type: int


class Format(Protocol):
    """A file format: finds packets, from a place in the file on.

    Attributes:
        interfaces: those declared so far; a packet's ``interface`` is an index.
        reason: what is wrong at the place where ``walk`` stopped; empty where nothing is.
    """

    interfaces: list[Interface]
    reason: str

    def walk(self, data: memoryview, row: int, at: int, limit: int) -> tuple[int, int, Stop]:
        """Fill rows from ``row`` on with the packets from ``data[at]``; see ``RecordWalker``.

        Returns:
            The next free row, the next place, and why it ended there: ``FULL``, ``SHORT`` (bytes
            behind the end are needed), or anything else for damage.
        """


class PcapFormat:
    """One header, one interface, then records."""

    def __init__(self, header: bytes, walker: RecordWalker) -> None:
        self.order, self._record_bytes, self._tick_ns = _PCAP_MAGICS[header[:4]]
        snaplen = int.from_bytes(header[16:20], self.order)
        # The upper bits tell the length of the frame check sequence.
        link_type = int.from_bytes(header[20:24], self.order) & 0xFFFF
        self.interfaces = [Interface("", link_type)]
        self.reason = ""
        self._most = max(_MAX_CAPTURED, min(snaplen, _MAX_SNAPLEN))
        self._walker = walker

    def walk(self, data: memoryview, row: int, at: int, limit: int) -> tuple[int, int, Stop]:
        """Walk the records."""
        big_endian = self.order == "big"
        row, at, stop = self._walker.walk_pcap(
            data, row, at, limit, big_endian, self._record_bytes, self._tick_ns, self._most
        )
        self.reason = _REASONS.get(stop, "")
        return row, at, stop


class PcapngFormat:
    """Sections of blocks, each with its byte order and interfaces, declared at any time."""

    def __init__(self, walker: RecordWalker) -> None:
        self.interfaces: list[Interface] = []
        self.reason = ""
        self.order: ByteOrder = "little"
        self._first = 0  # row of the section's interface 0
        self._walker = walker

    def walk(self, data: memoryview, row: int, at: int, limit: int) -> tuple[int, int, Stop]:
        """Walk the packet blocks, and read section and interface blocks between them."""
        while True:
            row, at, stop = self._walker.walk_pcapng(
                data,
                row,
                at,
                limit,
                self.order == "big",
                self._first,
                len(self.interfaces) - self._first,
            )
            self.reason = _REASONS.get(stop, "")
            if stop is not Stop.CONTROL:
                return row, at, stop
            block, stop = self._control_block(data, at)
            if stop is not Stop.CONTROL:
                return row, at, stop
            if block[:4] == PCAPNG_MAGIC:
                self._begin_section(block)
            else:
                self._declare_interface(block)
            if self.reason:
                return row, at, Stop.CONTROL
            at += len(block)

    def _control_block(self, data: memoryview, at: int) -> tuple[bytes, Stop]:
        """The block at ``at`` if it is whole and sound, and ``CONTROL``; else why it is not."""
        head = bytes(data[at : at + 12])
        order, shortest = self.order, 20
        if head[:4] == PCAPNG_MAGIC:  # reads the same in either byte order; the next word tells
            shortest = 28
            if head[8:12] not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
                self.reason = "a section has no byte-order mark"
                return b"", Stop.BAD_LENGTH
            order = "little" if head[8] == 0x4D else "big"
        total = int.from_bytes(head[4:8], order)
        if total < shortest or total % 4 or total > MAX_BLOCK_BYTES:
            self.reason = _REASONS[Stop.BAD_LENGTH]
            return b"", Stop.BAD_LENGTH
        if at + total > len(data):
            return b"", Stop.SHORT
        block = bytes(data[at : at + total])
        if block[-4:] != block[4:8]:
            self.reason = _REASONS[Stop.BAD_TRAILER]
            return b"", Stop.BAD_TRAILER
        self.order = order
        return block, Stop.CONTROL

    def _begin_section(self, block: bytes) -> None:
        major = int.from_bytes(block[12:14], self.order)
        if major != 1:
            self.reason = f"a section is of version {major}, and only 1 is known"
        self._first = len(self.interfaces)

    def _declare_interface(self, block: bytes) -> None:
        prefix = "<" if self.order == "little" else ">"
        link_type, _, snaplen = struct.unpack(f"{prefix}HHI", block[8:16])
        if len(self.interfaces) == MAX_INTERFACES:
            self.reason = f"more than {MAX_INTERFACES} interfaces"
            return
        name, resolution, origin_s = "", 6, 0
        at, end = 16, len(block) - 4
        while at + 4 <= end:
            code, length = struct.unpack(f"{prefix}HH", block[at : at + 4])
            value = block[at + 4 : at + 4 + length]
            at += 4 + length + -length % 4
            if code == 0:  # opt_endofopt
                break
            if at > end:
                self.reason = "an interface's option runs over the end of its block"
                return
            if code == 2:  # if_name
                name = value.rstrip(b"\0").decode("utf-8", "replace")
            elif code == 9 and length == 1:  # if_tsresol
                resolution = value[0]
            elif code == 14 and length == 8:  # if_tsoffset
                (origin_s,) = struct.unpack(f"{prefix}q", value)
        self._walker.declare(len(self.interfaces), resolution, origin_s, snaplen)
        self.interfaces.append(Interface(name, link_type))
