"""Decode frames into a batch, and count by name what could not be decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent.capture.link_types import link_name
from agent.capture.packets import PacketBatch, Undecoded
from agent.capture.parser import FrameParser

_DECODED = (
    *("src_mac", "src_hi", "src_lo", "dst_hi", "dst_lo", "vlan", "sport", "dport", "proto"),
    *("ttl", "ip_bytes", "payload", "flags", "window", "seq", "icmp"),
)


class Decoder:
    """Decodes into one batch, whoever found the packets: a file's reader or a live ring.

    Attributes:
        batch: the columns; the caller fills ``ts``, ``length``, ``captured``, ``interface``.
        undecoded: packets that have no flow, by reason.
        packets: packets seen, decoded or not.
        bytes: their bytes on the wire.
    """

    def __init__(self, batch: PacketBatch) -> None:
        self.batch = batch
        self.undecoded: Counter[str] = Counter()
        self.packets = 0
        self.bytes = 0
        self._counts = np.zeros(len(Undecoded), np.int64)
        self._parser = FrameParser(batch, self._counts)
        self._columns = [getattr(batch, name) for name in _DECODED]

    def decode(
        self, data: memoryview, offsets: NDArray[np.int64], n: int, links: Sequence[int]
    ) -> PacketBatch:
        """Decode rows 0 to ``n`` and return the batch.

        Args:
            data: bytes in which all frames lie, which is not checked; let go of on return.
            offsets: ``(≥ n,)``, where each row's frame begins in ``data``.
            n: rows of the batch to decode.
            links: link type of each interface, by ``batch.interface``.
        """
        for column in self._columns:
            column[:n] = 0
        link_types = np.array(links, np.uint16)
        self._parser.parse(data, offsets.data, link_types.data, n)
        self.batch.n = n
        self.packets += n
        self.bytes += int(self.batch.length[:n].sum(dtype=np.uint64))
        self._count(link_types)
        return self.batch

    def _count(self, link_types: NDArray[np.uint16]) -> None:
        """Move the parser's counts to ``undecoded``; strange link types by their own names."""
        self._counts[Undecoded.OK] = 0
        if self._counts[Undecoded.LINK_TYPE]:
            self._counts[Undecoded.LINK_TYPE] = 0
            strange = self.batch.status[: self.batch.n] == Undecoded.LINK_TYPE
            links = link_types[self.batch.interface[: self.batch.n][strange]]
            for link, packets in zip(*np.unique_counts(links), strict=True):
                self.undecoded[f"link-type {link_name(int(link))}"] += int(packets)
        for reason in np.flatnonzero(self._counts).tolist():
            name = Undecoded(reason).name.lower().replace("_", "-")
            self.undecoded[name] += int(self._counts[reason])
        self._counts[:] = 0
