"""Find the packet records of a capture file: where each one lies, how long it is, when it came.

Compiled (types in ``records.pxd``). Layouts after the IETF drafts draft-ietf-opsawg-pcap and
draft-ietf-opsawg-pcapng (OPSAWG).
"""

from enum import IntEnum

import cython
import numpy as np
from numpy.typing import NDArray

from agent.capture.packets import PacketBatch

# Interface indices are 16 bits in a batch.
MAX_INTERFACES = 1 << 16
# No writer makes longer ones; the bound keeps a lying length from growing memory.
MAX_BLOCK_BYTES = 16 << 20


class Stop(IntEnum):
    """Why a walk ended; from ``BAD_LENGTH`` on the record at that place is damaged."""

    FULL = 0  # the batch or the block is used up
    SHORT = 1  # fewer bytes than the next record needs
    CONTROL = 2  # a pcapng section or interface block, for the caller to read
    BAD_LENGTH = 3
    BAD_TRAILER = 4
    BAD_CAPTURED = 5
    NO_INTERFACE = 6


FULL = cython.declare(cython.int, int(Stop.FULL))
SHORT = cython.declare(cython.int, int(Stop.SHORT))
CONTROL = cython.declare(cython.int, int(Stop.CONTROL))
BAD_LENGTH = cython.declare(cython.int, int(Stop.BAD_LENGTH))
BAD_TRAILER = cython.declare(cython.int, int(Stop.BAD_TRAILER))
BAD_CAPTURED = cython.declare(cython.int, int(Stop.BAD_CAPTURED))
NO_INTERFACE = cython.declare(cython.int, int(Stop.NO_INTERFACE))
PACKET = cython.declare(cython.int, -1)  # what a block is that does not end the walk
OTHER = cython.declare(cython.int, -2)
LONGEST = cython.declare(cython.int, MAX_BLOCK_BYTES)
SECOND_NS = cython.declare(cython.ulonglong, 1_000_000_000)
LATEST = cython.declare(cython.ulonglong, (1 << 63) - 1)  # the last ns that a time can tell


class RecordWalker:
    """Walks records and fills a batch's ``ts``, ``length``, ``captured`` and ``interface``.

    Args:
        batch: whose columns to fill.
        offsets: ``(capacity,)``, filled with the place in the data where each row's frame begins.
    """

    def __init__(self, batch: PacketBatch, offsets: NDArray[np.int64]) -> None:
        self.capacity = batch.capacity
        self.data = memoryview(b"")
        self.big_endian = False
        self.offset = offsets.data
        self.ts = batch.ts.data
        self.length = batch.length.data
        self.captured = batch.captured.data
        self.interface = batch.interface.data
        # The clock of an interface: ns = ticks * up / down, or ticks * 10^9 / 2^bits where up is 0.
        self.up = np.zeros(MAX_INTERFACES, np.uint64).data
        self.down = np.zeros(MAX_INTERFACES, np.uint64).data
        self.bits = np.zeros(MAX_INTERFACES, np.uint8).data
        self.origin = np.zeros(MAX_INTERFACES, np.int64).data
        self.snaplen = np.zeros(MAX_INTERFACES, np.uint32).data
        self.first = 0  # row of the section's interface 0
        self.interfaces = 0  # how many the section has declared

    def declare(self, index: int, resolution: int, origin_s: int, snaplen: int) -> None:
        """Set an interface's clock and snapshot length.

        Args:
            index: row of the interface, below ``MAX_INTERFACES``.
            resolution: the ``if_tsresol`` byte: a negative power of 10, or of 2 with the top bit.
            origin_s: ``if_tsoffset``, seconds added to every time stamp.
            snaplen: most bytes captured of a packet; 0 means no limit.
        """
        power = resolution & 0x7F
        binary = resolution >> 7
        self.bits[index] = power
        self.up[index] = 0 if binary else 10 ** max(0, 9 - power)
        # Beyond 10^19 ticks per ns, 64 bits of ticks are less than one nanosecond.
        self.down[index] = 10 ** min(19, max(0, power - 9))
        bound = (1 << 63) - 1
        self.origin[index] = max(-bound, min(bound, origin_s * 1_000_000_000))
        self.snaplen[index] = snaplen

    def walk_pcap(
        self,
        data: cython.const[cython.uchar][::1],
        row: cython.Py_ssize_t,
        at: cython.Py_ssize_t,
        limit: cython.Py_ssize_t,
        big_endian: cython.bint,
        record_bytes: cython.Py_ssize_t,
        tick_ns: cython.longlong,
        most: cython.longlong,
    ) -> tuple[int, int, Stop]:
        """Walk pcap records from ``at``; none begins at or behind ``limit``.

        Args:
            data: bytes of the file.
            row: first row of the batch to fill.
            at: where the first record begins in ``data``.
            limit: where to stop, so that a batch is bounded in bytes too.
            big_endian: byte order of the file.
            record_bytes: 16, or 24 in the modified dialect.
            tick_ns: nanoseconds per unit of the fraction: 1000 or 1.
            most: longest captured length that is believed.

        Returns:
            The next free row, where the next record begins, and why the walk ended there.
        """
        size: cython.Py_ssize_t = data.shape[0]
        captured: cython.longlong
        seconds: cython.longlong
        fraction: cython.longlong
        self.data = data
        self.big_endian = big_endian
        outcome: cython.int = SHORT
        while at + record_bytes <= size:
            if row == self.capacity or at >= limit:
                outcome = FULL
                break
            captured = self.word32(at + 8)
            if captured > most:
                outcome = BAD_LENGTH
                break
            if at + record_bytes + captured > size:
                break
            seconds = self.word32(at)
            fraction = self.word32(at + 4)
            self.ts[row] = seconds * SECOND_NS + fraction * tick_ns
            self.length[row] = self.word32(at + 12)
            self.captured[row] = captured
            self.interface[row] = 0
            self.offset[row] = at + record_bytes
            at += record_bytes + captured
            row += 1
        self.data = memoryview(b"")  # let go of the caller's buffer
        return row, at, Stop(outcome)

    def walk_pcapng(
        self,
        data: cython.const[cython.uchar][::1],
        row: cython.Py_ssize_t,
        at: cython.Py_ssize_t,
        limit: cython.Py_ssize_t,
        big_endian: cython.bint,
        first: cython.longlong,
        interfaces: cython.longlong,
    ) -> tuple[int, int, Stop]:
        """Walk the packet blocks of one pcapng section; blocks without packets are skipped.

        Args:
            data: bytes of the file.
            row: first row of the batch to fill.
            at: where the first block begins in ``data``.
            limit: no block at or behind it is begun.
            big_endian: byte order of the section.
            first: row of the section's interface 0.
            interfaces: how many interfaces the section has declared.

        Returns:
            The next free row, where the next block begins, and why the walk ended there.
        """
        size: cython.Py_ssize_t = data.shape[0]
        outcome: cython.int = SHORT
        self.data = data
        self.big_endian = big_endian
        self.first = first
        self.interfaces = interfaces
        while at + 12 <= size:
            if row == self.capacity or at >= limit:
                outcome = FULL
                break
            outcome = self.block(row, at, size - at)
            if outcome >= 0:
                break
            at += self.word32(at + 4)
            row += outcome == PACKET
            outcome = SHORT
        self.data = memoryview(b"")
        return row, at, Stop(outcome)

    def block(self, row, at, left):
        """Fill the row if the block has a packet; returns ``PACKET``, ``OTHER`` or a ``Stop``."""
        kind: cython.longlong = self.word32(at)
        total: cython.longlong = self.word32(at + 4)
        if kind in (0x0A0D0D0A, 1):  # a section's total may be in the other byte order
            return CONTROL
        if total < 12 or total % 4 != 0 or total > LONGEST:
            return BAD_LENGTH
        if total > left:
            return SHORT
        if self.word32(at + total - 4) != total:
            return BAD_TRAILER
        if kind == 6:
            return self.packet(row, at, total, self.word32(at + 8)) if total >= 32 else BAD_LENGTH
        if kind == 3:
            return self.simple_packet(row, at, total) if total >= 16 else BAD_LENGTH
        if kind == 2:
            return self.packet(row, at, total, self.word16(at + 8)) if total >= 32 else BAD_LENGTH
        return OTHER

    def packet(self, row, at, total, index):
        """An enhanced packet block, or its obsolete forerunner."""
        captured: cython.longlong = self.word32(at + 20)
        if index >= self.interfaces:
            return NO_INTERFACE
        if captured > total - 32:
            return BAD_CAPTURED
        index += self.first
        self.ts[row] = self.time(index, self.word32(at + 12), self.word32(at + 16))
        self.length[row] = self.word32(at + 24)
        self.captured[row] = captured
        self.interface[row] = index
        self.offset[row] = at + 28
        return PACKET

    def simple_packet(self, row, at, total):
        """Of the section's first interface, without a time, cut by its snapshot length."""
        length: cython.longlong = self.word32(at + 8)
        captured: cython.longlong = min(length, total - 16)
        if self.interfaces == 0:
            return NO_INTERFACE
        if self.snaplen[self.first] != 0:
            captured = min(captured, self.snaplen[self.first])
        self.ts[row] = 0
        self.length[row] = length
        self.captured[row] = captured
        self.interface[row] = self.first
        self.offset[row] = at + 12
        return PACKET

    def time(self, index, high, low):
        """Nanoseconds of an interface's ticks, clamped to 64 bits."""
        ticks: cython.ulonglong = high << 32 | low
        up: cython.ulonglong = self.up[index]
        seconds: cython.ulonglong
        bits: cython.int = self.bits[index]
        ns: cython.ulonglong
        if up == 0:
            seconds = ticks >> bits if bits < 64 else 0
            # 32 bits of a binary fraction are finer than a nanosecond.
            if bits <= 32:
                ns = (ticks - (seconds << bits)) * SECOND_NS >> bits
            elif bits < 64:
                ns = ((ticks - (seconds << bits)) >> (bits - 32)) * SECOND_NS >> 32
            elif bits < 96:
                ns = (ticks >> (bits - 32)) * SECOND_NS >> 32
            else:
                ns = 0
            ns = ns + seconds * SECOND_NS if seconds < LATEST // SECOND_NS else LATEST
        elif self.down[index] != 1:
            ns = ticks // self.down[index]
        else:
            ns = ticks * up if ticks <= LATEST // up else LATEST
        return self.shifted(min(ns, LATEST), self.origin[index])

    def shifted(self, ns, origin):
        """``ns + origin`` without running over the end of 64 bits; ``ns`` is below 2^63."""
        latest: cython.longlong = LATEST
        time: cython.longlong = ns
        if origin > 0 and time > latest - origin:
            return latest
        return time + origin

    def word16(self, at):
        """Two bytes, in the file's order."""
        if self.big_endian:
            return self.data[at] << 8 | self.data[at + 1]
        return self.data[at + 1] << 8 | self.data[at]

    def word32(self, at):
        """Four bytes, in the file's order."""
        a: cython.uint = self.data[at]
        b: cython.uint = self.data[at + 1]
        c: cython.uint = self.data[at + 2]
        d: cython.uint = self.data[at + 3]
        if self.big_endian:
            return a << 24 | b << 16 | c << 8 | d
        return d << 24 | c << 16 | b << 8 | a
