"""FrameParser: from the link's header down to the innermost IP packet and its transport header.

Compiled (types in ``parser.pxd``). The headers are parsed by `link`, `shim`, `network`, `transport`
and `tunnel`, which tell what follows as an EtherType, so that one loop here walks any nesting.
"""

import cython
import numpy as np
from numpy.typing import NDArray

from agent.capture.fragments import Fragments
from agent.capture.frame import Frame
from agent.capture.link import link_header
from agent.capture.network import ipv4, ipv6
from agent.capture.packets import PacketBatch, Undecoded
from agent.capture.shim import shim

DEEPEST = cython.declare(cython.int, 8)  # encapsulations

OK = cython.declare(cython.int, int(Undecoded.OK))
TOO_DEEP = cython.declare(cython.int, int(Undecoded.TOO_DEEP))


class FrameParser:
    """Parses frames into the rows of one batch; remembers first fragments from batch to batch.

    Args:
        batch: whose rows to fill.
        counts: ``(len(Undecoded),)``, where packets are counted by status.
    """

    def __init__(self, batch: PacketBatch, counts: NDArray[np.int64]) -> None:
        self.frame = Frame(batch)
        self.fragments = Fragments()
        self.length = batch.length.data
        self.captured = batch.captured.data
        self.interface = batch.interface.data
        self.status = batch.status.data
        self.counted = counts.data

    def parse(
        self,
        data: cython.const[cython.uchar][::1],
        offsets: cython.const[cython.longlong][::1],
        links: cython.const[cython.ushort][::1],
        n: cython.Py_ssize_t,
    ) -> None:
        """Fill ``status`` and the decoded columns of rows 0 to ``n``; they must hold zeros before.

        Args:
            data: bytes in which all frames lie, which is not checked.
            offsets: ``(n,)``, where each row's frame begins in ``data``.
            links: link type of each interface.
            n: rows to decode; their ``length``, ``captured`` and ``interface`` are set.
        """
        row: cython.Py_ssize_t
        status: cython.Py_ssize_t
        length: cython.Py_ssize_t
        captured: cython.Py_ssize_t
        frame: Frame = self.frame
        frame.data = data
        for row in range(n):
            length = self.length[row]
            captured = self.captured[row]
            frame.row = row
            frame.at = offsets[row]
            frame.end = frame.at + captured
            frame.wire = frame.at + max(length, captured)
            status = self.walk(frame, links[self.interface[row]])
            self.status[row] = status
            self.counted[status] += 1
        frame.data = memoryview(b"")  # let go of the caller's buffer

    def walk(self, frame, link_type):
        """Decode the frame in hand; returns its ``Undecoded`` status."""
        depth: cython.int = 0
        frame.found = False
        frame.mac = 0
        frame.tags = 0
        following: cython.int = link_header(frame, link_type)
        while following > 0:
            if depth > DEEPEST:
                frame.clear()
                return TOO_DEEP
            depth += 1
            if following == 0x0800:
                following = ipv4(frame, self.fragments)
            elif following == 0x86DD:
                following = ipv6(frame, self.fragments)
            else:
                following = shim(frame, following)
        # What a tunnel holds may be beyond us; the packet that carries it was decoded all the same.
        return OK if frame.found else -following
