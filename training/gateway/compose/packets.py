"""The IP packets of a capture, each without what it was carried in: link headers, tags, tunnels.

What is left begins with the innermost IP header, which is the one that the agent follows. Frames
without one (ARP, LLC, link types that the agent does not read) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.capture.decode import Decoder
from agent.capture.files import open_capture
from agent.capture.formats import PCAP_HEADER_BYTES, PCAPNG_MAGIC, PcapFormat, PcapngFormat
from agent.capture.link_types import Link
from agent.capture.packets import PacketBatch, Undecoded
from agent.capture.records import RecordWalker, Stop
from agent.capture.windows import Window

SNAPLEN: Final = 96  # bytes kept of a frame, as in the project's own sample captures
ETHERNET_BYTES: Final = 14
_KEPT: Final = SNAPLEN - ETHERNET_BYTES
_BATCH: Final = 8192
_BLOCK_BYTES: Final = 1 << 20

_MAPPED: Final = 0xFFFF  # above the 32 bits of an IPv4 address (RFC 4291, 2.5.5.2)
_COLUMNS: Final = tuple(f.name for f in fields(PacketBatch) if f.name != "n")
_FOLLOWED: Final = (
    *("src_hi", "src_lo", "dst_hi", "dst_lo", "sport", "dport", "proto", "ttl", "ip_bytes"),
    *("payload", "flags", "window", "seq", "icmp"),
)
"""What the agent's flows are made of."""


@dataclass(frozen=True, slots=True)
class IpPackets:
    """Packets in order of time.

    Attributes:
        columns: ``(n,)`` each, as the agent decodes them; ``length`` is that of an Ethernet frame
            that holds the IP packet and nothing else.
        bytes: ``(n, 82)`` uint8, from the IP header on, cut or filled with zeros.
        kept: ``(n,)`` int64, bytes of those that the capture holds.
        left_out: packets of the capture that are not here.
    """

    columns: PacketBatch
    bytes: NDArray[np.uint8]
    kept: NDArray[np.int64]
    left_out: int

    @property
    def ts(self) -> NDArray[np.int64]:
        """``(n,)`` ns since 1970."""
        return self.columns.ts

    @property
    def is_v6(self) -> NDArray[np.bool_]:
        """``(n,)``, by the version in the header."""
        return np.asarray(self.bytes[:, 0] >> 4 == 6)


def read_packets(path: Path) -> IpPackets:
    """Read a whole capture into memory, as far as it is not damaged.

    A packet is only kept if the agent reads the same from it without what it was carried in.

    Raises:
        CaptureError: the file cannot be opened, or is no capture.
    """
    batches: list[PacketBatch] = []
    rows: list[bytes] = []
    kept: list[int] = []
    seen = 0
    for batch, data, offsets in _batches(path):
        seen += batch.n
        found = []
        for row in np.flatnonzero(batch.status[: batch.n] == Undecoded.OK).tolist():
            begin = int(offsets[row])
            frame = bytes(data[begin : begin + int(batch.captured[row])])
            header = _innermost(frame, batch, row)
            if header < 0:
                continue
            found.append(row)
            rows.append(frame[header : header + _KEPT].ljust(_KEPT, b"\0"))
            kept.append(min(_KEPT, len(frame) - header))
            wire = max(int(batch.length[row]), len(frame))
            batch.length[row] = ETHERNET_BYTES + wire - header
        batches.append(rows_of(batch, np.array(found, np.int64)))
    columns = _joined(batches)
    content = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, _KEPT)
    lengths = np.array(kept, np.int64)
    alike = np.flatnonzero(_reads_alike(columns, content, lengths))
    order = alike[np.argsort(columns.ts[alike], kind="stable")]
    return IpPackets(rows_of(columns, order), content[order], lengths[order], seen - len(order))


def _batches(path: Path) -> Iterator[tuple[PacketBatch, memoryview, NDArray[np.int64]]]:
    """The capture's packets as the agent decodes them, with the bytes in which their frames lie."""
    with open_capture(path):
        pass  # its errors name what is wrong with a file
    window = Window(path, _BLOCK_BYTES)
    try:
        while window.slide(0):
            pass
    finally:
        window.close()
    data = window.data
    if len(data) < PCAP_HEADER_BYTES:
        return
    batch, offsets = PacketBatch.allocate(_BATCH), np.zeros(_BATCH, np.int64)
    walker, decoder = RecordWalker(batch, offsets), Decoder(batch)
    is_pcapng = bytes(data[:4]) == PCAPNG_MAGIC
    at = 0 if is_pcapng else PCAP_HEADER_BYTES
    layout = PcapngFormat(walker) if is_pcapng else PcapFormat(bytes(data[:at]), walker)
    stop = Stop.FULL
    while stop is Stop.FULL:
        n, at, stop = layout.walk(data, 0, at, len(data))
        if n:
            links = [interface.link_type for interface in layout.interfaces]
            yield decoder.decode(data, offsets, n, links), data, offsets


def _innermost(frame: bytes, batch: PacketBatch, row: int) -> int:
    """Where the IP header begins that the row was decoded from; -1 where it is not found.

    It is the last one with both addresses: a tunnel's ends may be the same as those inside.
    """
    src = int(batch.src_hi[row]) << 64 | int(batch.src_lo[row])
    dst = int(batch.dst_hi[row]) << 64 | int(batch.dst_lo[row])
    if src >> 32 == _MAPPED:
        version, size, before, ttl_at = 4, 4, 12, 8
        src, dst = src & 0xFFFFFFFF, dst & 0xFFFFFFFF
    else:
        version, size, before, ttl_at = 6, 16, 8, 7
    ends = src.to_bytes(size, "big") + dst.to_bytes(size, "big")
    at = frame.rfind(ends)
    while at >= before:
        header = at - before
        if frame[header] >> 4 == version and frame[header + ttl_at] == batch.ttl[row]:
            return header
        at = frame.rfind(ends, 0, at + len(ends) - 1)
    return -1


def _reads_alike(
    columns: PacketBatch, content: NDArray[np.uint8], kept: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which packets the agent reads as before when Ethernet frames carry their first bytes."""
    n = columns.n
    frames = np.zeros((n, SNAPLEN), np.uint8)
    frames[:, 12:14] = ethertypes(content)
    frames[:, ETHERNET_BYTES:] = content
    again = PacketBatch.allocate(n)
    again.length[:] = columns.length
    again.captured[:] = ETHERNET_BYTES + kept
    offsets = np.arange(n, dtype=np.int64) * SNAPLEN
    Decoder(again).decode(memoryview(frames.tobytes()), offsets, n, [Link.ETHERNET])
    alike = again.status == Undecoded.OK
    for name in _FOLLOWED:
        alike &= getattr(again, name) == getattr(columns, name)
    return alike


def ethertypes(content: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``(n, 2)``: 0x0800 or 0x86DD, by the version of ``(n, 82)`` IP packets."""
    v6 = content[:, :1] >> 4 == 6
    return np.where(v6, np.array([0x86, 0xDD], np.uint8), np.array([0x08, 0x00], np.uint8))


def rows_of(batch: PacketBatch, rows: NDArray[np.int64]) -> PacketBatch:
    """Copies of some rows."""
    return PacketBatch(**{name: getattr(batch, name)[rows] for name in _COLUMNS}, n=len(rows))


def _joined(batches: list[PacketBatch]) -> PacketBatch:
    if not batches:
        return PacketBatch.allocate(0)
    columns = {name: np.concatenate([getattr(b, name) for b in batches]) for name in _COLUMNS}
    return PacketBatch(**columns, n=len(columns["ts"]))
