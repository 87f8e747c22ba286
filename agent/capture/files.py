"""Read capture files: pcap and pcapng, plain or gzip, in batches of decoded packets.

::

    with open_capture("traffic.pcapng") as reader:
        for batch in reader.batches():
            ...  # batch.n packets; the arrays are reused by the next batch
        if reader.damage:
            print(reader.damage)

Damage is met, not raised: whatever stands before it is delivered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from agent.capture.decode import Decoder
from agent.capture.formats import (
    MAGICS,
    PCAP_HEADER_BYTES,
    PCAPNG_MAGIC,
    Format,
    Interface,
    PcapFormat,
    PcapngFormat,
)
from agent.capture.packets import PacketBatch
from agent.capture.records import RecordWalker, Stop
from agent.capture.windows import Window
from agent.errors import NotACapture

__all__ = ["CaptureReader", "Damage", "Interface", "open_capture"]


@dataclass(frozen=True)
class Damage:
    """Where and why a file could not be read on; as text, a warning of one line.

    Attributes:
        path: the file.
        offset: where the damaged record begins, bytes into the (decompressed) file.
        reason: what is wrong there.
    """

    path: Path
    offset: int
    reason: str

    def __str__(self) -> str:
        """The warning."""
        return f"{self.path}: byte {self.offset}: {self.reason}"


class CaptureReader:
    """One capture file, read once from front to end in memory that does not depend on its size.

    Args:
        path: a file, or a pipe.
        batch_packets: most packets in a batch.
        block_bytes: most bytes walked for a batch, give or take a record.

    Attributes:
        interfaces: those met so far; ``batch.interface`` is an index. Sections of pcapng follow one
            another.
        damage: set when damage ends the iteration, or a file turns out to hold no packet.
        size: bytes of the file on disk; 0 for a pipe.

    Raises:
        CaptureUnreadable: if the operating system refuses the file.
        NotACapture: if it is in none of the formats.
        ValueError: if a batch or a block would hold nothing.
    """

    def __init__(
        self, path: str | Path, *, batch_packets: int = 8192, block_bytes: int = 4 << 20
    ) -> None:
        if batch_packets < 1 or block_bytes < 1:
            raise ValueError("a batch needs at least one packet, and a block one byte")
        self.path = Path(path)
        self.damage: Damage | None = None
        batch = PacketBatch.allocate(batch_packets)
        self._decoder = Decoder(batch)
        self._offsets = np.zeros(batch_packets, np.int64)
        self._walker = RecordWalker(batch, self._offsets)
        self._block_bytes = block_bytes
        self._at = 0  # in the window: the next record
        self._window = Window(self.path, block_bytes)
        self.size = self._window.size
        self._format: Format | None = None  # None at the end
        try:
            self._format = self._recognise()
        except NotACapture:
            self.close()
            raise
        self.interfaces = self._format.interfaces if self._format else []

    def __enter__(self) -> Self:
        """The reader."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; the last batch stays valid, the iteration ends."""
        self._format = None
        self._window.close()

    @property
    def undecoded(self) -> Counter[str]:
        """Packets delivered without a flow, by reason: ``arp``, ``truncated``, ``link-type …``."""
        return self._decoder.undecoded

    @property
    def packets(self) -> int:
        """Packets delivered so far."""
        return self._decoder.packets

    @property
    def bytes(self) -> int:
        """Bytes that they had on the wire."""
        return self._decoder.bytes

    @property
    def position(self) -> int:
        """Bytes of the file on disk that were used so far, for progress against ``size``."""
        return self._window.position

    def batches(self) -> Iterator[PacketBatch]:
        """Yield the packets in the file's order; a batch is valid until the next is asked for."""
        while self._format is not None:
            limit = self._at + self._block_bytes
            row, self._at, stop = self._format.walk(self._window.data, 0, self._at, limit)
            if row:
                links = [interface.link_type for interface in self.interfaces]
                batch = self._decoder.decode(self._window.data, self._offsets, row, links)
            if stop is Stop.SHORT:
                self._slide()
            elif stop is not Stop.FULL:
                self._finish(self._format.reason)
            if row:
                yield batch

    def _slide(self) -> None:
        """Go on with more of the file, or finish at its end."""
        more = self._window.slide(self._at)
        self._at = 0
        if more:
            return
        if len(self._window.data):
            self._finish(self._window.error or "the file ends inside a record")
        elif self._window.error or not self.packets:
            self._finish(self._window.error or "the file holds no packet")
        else:
            self._format = None

    def _finish(self, reason: str) -> None:
        self.damage = Damage(self.path, self._window.start + self._at, reason)
        self._format = None

    def _recognise(self) -> Format | None:
        """The file's format by its magic number; None where too little of the header is there."""
        while len(self._window.data) < PCAP_HEADER_BYTES and self._window.slide(0):
            pass
        head = bytes(self._window.data[:PCAP_HEADER_BYTES])
        magic = head[:4]
        if magic == PCAPNG_MAGIC:
            return PcapngFormat(self._walker)
        if not any(known.startswith(magic) for known in MAGICS):
            raise NotACapture(
                f"{self.path}: not a capture, as it begins with the bytes {magic.hex(' ')}; "
                "pcap and pcapng files are read, plain or gzip-compressed"
            )
        if len(head) < PCAP_HEADER_BYTES:
            ending = "the file ends inside its header" if head else "the file is empty"
            self._finish(self._window.error or ending)
            return None
        self._at = PCAP_HEADER_BYTES
        return PcapFormat(head, self._walker)


def open_capture(path: str | Path, **kwargs: int) -> CaptureReader:
    """Open a capture file; the arguments and errors are ``CaptureReader``'s."""
    return CaptureReader(path, **kwargs)
