"""A bounded window over the bytes of a capture file, which may be gzip-compressed, or a pipe.

Blocks are read into one buffer that is used again, not mapped: packets are then parsed from the
CPU's cache. Measured, a mapping needs twice the time, as every record waits for main memory, and a
file that shrinks meanwhile would end the process.
"""

from __future__ import annotations

import os
import stat
import zlib
from io import FileIO
from pathlib import Path

import numpy as np

from agent.errors import CaptureUnreadable

GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, 2.3.1
_GZIP_FORMAT = 31  # zlib's window bits for the largest window in the gzip format
_GZIP_BYTES = 1 << 16


class Window:
    """What is seen of a file at a time: a block, and the incomplete record at its end.

    Args:
        path: a file or a pipe.
        block_bytes: how much is read, or inflated, at a time.

    Attributes:
        data: bytes that can be parsed now.
        start: offset of ``data[0]`` in the (decompressed) file.
        position: bytes of the file on disk that were used so far.
        size: bytes of the file on disk; 0 for a pipe.
        error: why the bytes end before the file does, once that is met; else empty.

    Raises:
        CaptureUnreadable: if the operating system refuses the file.
    """

    def __init__(self, path: Path, block_bytes: int) -> None:
        self._buffer = np.empty(block_bytes, np.uint8).data
        self.data = self._buffer[:0]
        self.start = 0
        self.position = 0
        self.error = ""
        try:
            self._file = FileIO(path)
            status = os.fstat(self._file.fileno())
            self.size = status.st_size if stat.S_ISREG(status.st_mode) else 0
            head = b""
            while len(head) < len(GZIP_MAGIC) and (more := self._file.read(1)):
                head += more
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            raise CaptureUnreadable(f"{path}: cannot be read: {reason}") from error
        self._pending = memoryview(head)  # read from the disk, and not used yet
        self._inflater = zlib.decompressobj(_GZIP_FORMAT) if head == GZIP_MAGIC else None
        self._step = _GZIP_BYTES

    def slide(self, at: int) -> bool:
        """Begin ``data`` at its byte ``at`` and hold more behind; False where none is left.

        The buffer doubles for a record that fills more than half of it, so that a long one costs
        linear time, and is used again otherwise.
        """
        kept = len(self.data) - at
        buffer = self._buffer
        if 2 * kept > len(buffer):
            buffer = np.empty(2 * len(buffer), np.uint8).data
        buffer[:kept] = self.data[at:]
        free = buffer[kept:]
        read = self._read_plain(free) if self._inflater is None else self._read_gzip(free)
        self._buffer = buffer
        self.start += at
        self.data = buffer[: kept + read]
        return read > 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_plain(self, free: memoryview) -> int:
        read = min(len(self._pending), len(free))
        if read:
            free[:read] = self._pending[:read]
            self._pending = self._pending[read:]
        else:
            try:
                read = self._file.readinto(free) or 0
            except OSError as error:
                self.error = f"reading fails: {error.strerror}"
        self.position += read
        return read

    def _read_gzip(self, free: memoryview) -> int:
        """Inflate into ``free``; 0 at the end of the stream, or where it is damaged."""
        while not self.error:
            if not self._pending:
                self._fetch()
            if self._member_ended() and not self._begin_member():
                break
            ended = not self._pending
            more = self._inflate(len(free))
            if more:
                free[: len(more)] = more
                return len(more)
            if ended and not self._member_ended():
                self.error = self.error or "the gzip stream is cut short"
        return 0

    def _fetch(self) -> None:
        try:
            self._pending = memoryview(self._file.read(_GZIP_BYTES) or b"")
        except OSError as error:
            self.error = f"reading fails: {error.strerror}"

    def _inflate(self, most: int) -> bytes:
        """Up to ``most`` bytes more of the pending ones.

        zlib drops what it inflated in front of damage, so damage is met twice: the second time byte
        by byte, from the state before.
        """
        assert self._inflater is not None
        before = self._inflater.copy() if self._step > 1 else self._inflater
        piece = self._pending[: self._step]
        try:
            more = self._inflater.decompress(piece, most)
        except zlib.error as error:
            if self._step > 1:
                self._inflater, self._step = before, 1
            else:
                self.error = f"the gzip stream is damaged: {error}"
            return b""
        left = len(self._inflater.unconsumed_tail) + len(self._inflater.unused_data)
        self._pending = self._pending[len(piece) - left :]
        self.position += len(piece) - left
        return more

    def _member_ended(self) -> bool:
        return self._inflater is not None and self._inflater.eof

    def _begin_member(self) -> bool:
        """Another gzip member may follow (RFC 1952, 2.2), or padding of zeros."""
        if not self._pending or self._pending[0] == 0:
            return False
        if self._pending[0] != GZIP_MAGIC[0]:
            self.error = "something else follows the gzip stream"
            return False
        self._inflater = zlib.decompressobj(_GZIP_FORMAT)
        return True
