"""Captures and frames made by hand, and a reader that keeps everything."""

from __future__ import annotations

import struct
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from agent.capture.decode import Decoder
from agent.capture.files import CaptureReader, open_capture
from agent.capture.packets import PacketBatch

COLUMNS = [f.name for f in fields(PacketBatch) if f.name != "n"]
SRC, DST = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
SRC6, DST6 = bytes.fromhex("20010db8" + "0" * 23 + "1"), bytes.fromhex("20010db8" + "0" * 23 + "2")
MAC = bytes.fromhex("020000000001")
MAPPED = 0xFFFF << 32


def read_all(path: Path, **kwargs: int) -> tuple[CaptureReader, dict[str, np.ndarray]]:
    """The reader at its end, and every column of every packet."""
    with open_capture(path, **kwargs) as reader:
        parts = [
            {name: getattr(batch, name)[: batch.n].copy() for name in COLUMNS}
            for batch in reader.batches()
        ]
    empty = PacketBatch.allocate(0)
    parts.append({name: getattr(empty, name) for name in COLUMNS})
    return reader, {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}


def decode(frame: bytes, link: int = 1, wire: int | None = None) -> dict[str, int]:
    """One frame's row."""
    return decode_all([frame], link, wire)[0]


def decode_all(frames: list[bytes], link: int = 1, wire: int | None = None) -> list[dict[str, int]]:
    """The rows of frames that follow one another."""
    batch = PacketBatch.allocate(len(frames))
    sizes = [len(frame) for frame in frames]
    batch.captured[:] = sizes
    batch.length[:] = sizes if wire is None else wire
    offsets = np.cumsum([0, *sizes[:-1]]).astype(np.int64)
    Decoder(batch).decode(memoryview(b"".join(frames)), offsets, len(frames), [link])
    return [{name: int(getattr(batch, name)[i]) for name in COLUMNS} for i in range(len(frames))]


# ── Frames ────────────────────────────────────────────────────────────────────────────────────────


def ethernet(payload: bytes, kind: int = 0x0800) -> bytes:
    return b"\xff" * 6 + MAC + struct.pack(">H", kind) + payload


def tag(payload: bytes, vid: int, kind: int = 0x0800) -> bytes:
    """What follows the tag's own EtherType."""
    return struct.pack(">HH", vid, kind) + payload


def ipv4(payload: bytes, proto: int, **fields: Any) -> bytes:
    options = fields.get("options", b"")
    total = fields.get("total", 20 + len(options) + len(payload))
    first = fields.get("first", 0x45 + len(options) // 4)
    fragment = fields.get("fragment", 0)
    head = struct.pack(">BBHHHBBH", first, 0, total, fields.get("id", 7), fragment, 64, proto, 0)
    return head + fields.get("src", SRC) + fields.get("dst", DST) + options + payload


def ipv6(payload: bytes, proto: int, length: int | None = None) -> bytes:
    length = len(payload) if length is None else length
    return struct.pack(">IHBB", 6 << 28, length, proto, 63) + SRC6 + DST6 + payload


def tcp(payload: bytes = b"", flags: int = 0x12, options: bytes = b"") -> bytes:
    offset = (5 + len(options) // 4) << 4
    head = struct.pack(">HHIIBBHHH", 1234, 80, 0xDEADBEEF, 0, offset, flags, 4096, 0, 0)
    return head + options + payload


def udp(payload: bytes = b"", sport: int = 5353, dport: int = 53) -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


FRAME = ethernet(ipv4(tcp(b"hello"), 6))

# ── Files ─────────────────────────────────────────────────────────────────────────────────────────


def pcap_header(
    order: str = "<", magic: int = 0xA1B2C3D4, link: int = 1, snap: int = 65535
) -> bytes:
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link)


def pcap_record(frame: bytes, s: int = 0, fraction: int = 0, order: str = "<", **k: Any) -> bytes:
    captured = k.get("captured", len(frame))
    head = struct.pack(order + "IIII", s, fraction, captured, k.get("wire", len(frame)))
    return head + k.get("more", b"") + frame


def pcap(frames: list[bytes], link: int = 1) -> bytes:
    """A little-endian microsecond file, a packet a second."""
    records = [pcap_record(frame, s) for s, frame in enumerate(frames)]
    return pcap_header(link=link) + b"".join(records)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    total = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + total + body + total


def section(order: str = "<", major: int = 1) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, major, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link: int = 1, options: bytes = b"", order: str = "<", snap: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def enhanced(frame: bytes, ticks: int = 0, index: int = 0, order: str = "<") -> bytes:
    sizes = len(frame), len(frame)
    head = struct.pack(order + "IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, *sizes)
    return block(6, head + frame, order)


def simple(frame: bytes, wire: int | None = None, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", len(frame) if wire is None else wire) + frame, order)


def obsolete(frame: bytes, ticks: int = 0, index: int = 0, order: str = "<") -> bytes:
    sizes = len(frame), len(frame)
    head = struct.pack(order + "HHIIII", index, 0, ticks >> 32, ticks & 0xFFFFFFFF, *sizes)
    return block(2, head + frame, order)


def pcapng(frames: list[bytes]) -> bytes:
    """One section, one interface, microseconds, a packet a second."""
    blocks = [enhanced(frame, s * 1_000_000) for s, frame in enumerate(frames)]
    return section() + interface() + b"".join(blocks)
