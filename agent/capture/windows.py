"""A bounded window over the bytes of a capture file, which may be gzip-compressed, or a pipe.

Blocks are read into one buffer that is used again, not mapped: packets are then parsed from the
CPU's cache. Measured, a mapping needs twice the time, as every record waits for main memory, and a
file that shrinks meanwhile would end the process.
"""

from __future__ import annotations

import os
import stat
from io import FileIO
from pathlib import Path

import numpy as np

from agent.capture.gunzip import GZIP_MAGIC, Gunzip
from agent.errors import CaptureUnreadable


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
        self._gunzip = Gunzip(self._file, head) if head == GZIP_MAGIC else None
        self.position = len(head) if self._gunzip is None else 0
        self._ready = memoryview(b"" if self._gunzip else head)  # to be seen next

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
        read = self._read(free)
        self._buffer = buffer
        self.start += at
        self.data = buffer[: kept + read]
        return read > 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, free: memoryview) -> int:
        if not self._ready and self._gunzip is not None:
            self._ready = memoryview(self._gunzip.read())
            self.position, self.error = self._gunzip.position, self._gunzip.error
        if self._ready or self._gunzip is not None:
            read = min(len(self._ready), len(free))
            free[:read] = self._ready[:read]
            self._ready = self._ready[read:]
            return read
        try:
            read = self._file.readinto(free) or 0
        except OSError as error:
            self.error = f"reading fails: {error.strerror}"
            return 0
        self.position += read
        return read
