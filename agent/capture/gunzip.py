"""Inflate a gzip file as far as it goes, in pieces of bounded size."""

from __future__ import annotations

import zlib
from io import FileIO

GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, 2.3.1
_GZIP_FORMAT = 31  # zlib's window bits for the largest window in the gzip format
_READ_BYTES = 1 << 16
_INFLATED_BYTES = 1 << 18


class Gunzip:
    """The bytes of one gzip file after another (RFC 1952, 2.2: members).

    Args:
        file: from where to read on.
        head: bytes that were read from it already.

    Attributes:
        position: bytes of the file used so far.
        error: why the bytes end before the file does, once that is met; else empty.
    """

    def __init__(self, file: FileIO, head: bytes) -> None:
        self.position = 0
        self.error = ""
        self._file = file
        self._pending = memoryview(head)  # read and not used yet
        self._inflater = zlib.decompressobj(_GZIP_FORMAT)
        self._step = _READ_BYTES

    def read(self) -> bytes:
        """The next bytes, 256 KiB at most; none at the end, or where the file is damaged."""
        while not self.error:
            if not self._pending:
                self._fetch()
            if self._inflater.eof and not self._begin_member():
                break
            ended = not self._pending
            more = self._inflate()
            if more:
                return more
            if ended and not self._inflater.eof:
                self.error = self.error or "the gzip stream is cut short"
        return b""

    def _fetch(self) -> None:
        try:
            self._pending = memoryview(self._file.read(_READ_BYTES) or b"")
        except OSError as error:
            self.error = f"reading fails: {error.strerror}"

    def _begin_member(self) -> bool:
        """Another member may follow, or padding of zeros."""
        if not self._pending or self._pending[0] == 0:
            return False
        if self._pending[0] != GZIP_MAGIC[0]:
            self.error = "something else follows the gzip stream"
            return False
        self._inflater = zlib.decompressobj(_GZIP_FORMAT)
        return True

    def _inflate(self) -> bytes:
        """Use some of the pending bytes.

        zlib drops what it inflated in front of damage, so damage is met twice: the second time byte
        by byte, from the state before.
        """
        before = self._inflater.copy() if self._step > 1 else self._inflater
        piece = self._pending[: self._step]
        try:
            more = self._inflater.decompress(piece, _INFLATED_BYTES)
        except zlib.error as error:
            if self._step > 1:
                self._inflater, self._step = before, 1
            else:
                self.error = f"the gzip stream is damaged: {error}"
            return b""
        # At the end of a member zlib may show the rest in both.
        ended = self._inflater.eof
        left = len(self._inflater.unused_data if ended else self._inflater.unconsumed_tail)
        self._pending = self._pending[len(piece) - left :]
        self.position += len(piece) - left
        return more
