"""Frame: what is left to parse of one frame, and the row of the batch that it fills.

Compiled (types in ``frame.pxd``). A header's parser takes the frame, reads no byte at or behind
``end``, moves ``at`` to where its header ends and returns what follows: an EtherType (IEEE 802
numbers, IANA registry), 0 where the walk ends well, or a negative ``Undecoded``.
"""

import cython

from agent.capture.packets import PacketBatch


class Frame:
    """The frame in hand; one object serves all of a batch.

    Args:
        batch: whose rows to fill.
    """

    def __init__(self, batch: PacketBatch) -> None:
        self.data = memoryview(b"")
        self.at = 0  # next byte to parse
        self.end = 0  # end of the bytes captured
        self.wire = 0  # end of the bytes that were on the wire
        self.row = 0
        self.found = False  # an IP header is in the row
        self.mac = 0
        self.tags = 0
        self.key = 0  # of the fragment in hand; 0 where there is none
        self.tail = False  # it is not the first one (IPv6)
        self.src_mac = batch.src_mac.data
        self.src_hi = batch.src_hi.data
        self.src_lo = batch.src_lo.data
        self.dst_hi = batch.dst_hi.data
        self.dst_lo = batch.dst_lo.data
        self.vlan = batch.vlan.data
        self.sport = batch.sport.data
        self.dport = batch.dport.data
        self.proto = batch.proto.data
        self.ttl = batch.ttl.data
        self.ip_bytes = batch.ip_bytes.data
        self.payload = batch.payload.data
        self.flags = batch.flags.data
        self.window = batch.window.data
        self.seq = batch.seq.data
        self.icmp = batch.icmp.data

    def clear(self):
        """Forget the packet in the row."""
        row: cython.Py_ssize_t = self.row
        self.src_mac[row] = 0
        self.src_hi[row] = 0
        self.src_lo[row] = 0
        self.dst_hi[row] = 0
        self.dst_lo[row] = 0
        self.vlan[row] = 0
        self.sport[row] = 0
        self.dport[row] = 0
        self.proto[row] = 0
        self.ttl[row] = 0
        self.ip_bytes[row] = 0
        self.payload[row] = 0
        self.flags[row] = 0
        self.window[row] = 0
        self.seq[row] = 0
        self.icmp[row] = 0

    if not cython.compiled:  # big-endian words; compiled, frame.pxd has them

        def word16(self, at: int) -> int:
            """Two bytes."""
            return self.data[at] << 8 | self.data[at + 1]

        def word32(self, at: int) -> int:
            """Four bytes."""
            return self.word16(at) << 16 | self.word16(at + 2)

        def word48(self, at: int) -> int:
            """Six bytes, as of a MAC address."""
            return self.word16(at) << 32 | self.word32(at + 2)

        def word64(self, at: int) -> int:
            """Eight bytes."""
            return self.word32(at) << 32 | self.word32(at + 4)
