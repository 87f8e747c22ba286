"""A reader of captures that hands on another's packets; who wants to listen in derives from it."""

from __future__ import annotations

from collections.abc import Iterator

from agent.capture.files import CaptureReader
from agent.capture.formats import Interface
from agent.capture.packets import PacketBatch


class Through:
    """As the reader that it is given.

    Args:
        reader: of a capture.
    """

    def __init__(self, reader: CaptureReader) -> None:
        self._reader = reader

    @property
    def interfaces(self) -> list[Interface]:
        """Those of the packets so far."""
        return self._reader.interfaces

    @property
    def position(self) -> int:
        """Bytes that were used so far."""
        return self._reader.position

    def batches(self) -> Iterator[PacketBatch]:
        """Packets in order; a batch is valid until the next is asked for."""
        return self._reader.batches()
