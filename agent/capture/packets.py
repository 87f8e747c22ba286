"""PacketBatch: one array a field, one row a packet."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class Undecoded(IntEnum):
    """Why a packet has no flow: ``PacketBatch.status``. ``OK`` rows are the decoded ones.

    The names, lower-cased and with dashes, are what reports show.
    """

    OK = 0
    LINK_TYPE = 1  # a link type that we do not read; reports name it by its DLT name instead
    TRUNCATED = 2  # the capture holds too few bytes for the headers
    MALFORMED = 3  # a header contradicts itself (version, header length)
    TOO_DEEP = 4  # more encapsulations than we follow
    ARP = 5
    LLC = 6  # 802.2 LLC without an IP payload: STP, IS-IS, NetBEUI…
    LLDP = 7
    EAPOL = 8
    PPPOE_CONTROL = 9  # PPPoE discovery, or a PPP control protocol (in a session or on a PPP link)
    MPLS = 10  # a label stack whose payload is neither IP nor Ethernet
    MACSEC = 11
    OTHER_ETHERTYPE = 12


@dataclass(slots=True)
class PacketBatch:
    """Columns of decoded packets, in capture order: arrays of ``capacity`` rows, ``n`` valid.

    Addresses are 128 bits in two words, high and low, big-endian value; IPv4 is mapped to
    ``::ffff:a.b.c.d`` (RFC 4291, 2.5.5.2). Of a tunnelled packet the innermost IP packet counts,
    and its MAC address and VLAN are those of the innermost Ethernet frame; where the inside of a
    tunnel cannot be decoded, the packet that carries the tunnel counts.
    """

    ts: NDArray[np.int64]  # ns since 1970, as captured (may go backwards)
    length: NDArray[np.uint32]  # bytes of the frame on the wire
    captured: NDArray[np.uint32]  # bytes of the frame in the capture
    interface: NDArray[np.uint16]  # index into the reader's ``interfaces``
    status: NDArray[np.uint8]  # Undecoded; all fields below are zero unless OK
    src_mac: NDArray[np.uint64]  # 48 bits; 0 where the link has none
    src_hi: NDArray[np.uint64]
    src_lo: NDArray[np.uint64]
    dst_hi: NDArray[np.uint64]
    dst_lo: NDArray[np.uint64]
    vlan: NDArray[np.uint32]  # outer VID << 12 | inner VID (the two innermost); one tag is inner
    sport: NDArray[np.uint16]  # TCP, UDP, SCTP; else 0 (a tail fragment takes its first fragment's)
    dport: NDArray[np.uint16]
    proto: NDArray[np.uint8]  # IP protocol number, after IPv6 extension headers and AH
    ttl: NDArray[np.uint8]  # TTL or hop limit
    ip_bytes: NDArray[np.uint32]  # IP packet's length by its header (by the frame where that is 0)
    payload: NDArray[np.uint32]  # bytes behind the transport header, by the IP header's length
    flags: NDArray[np.uint8]  # TCP flags byte, CWR to FIN (RFC 9293); else 0
    window: NDArray[np.uint16]  # TCP window, unscaled; else 0
    seq: NDArray[np.uint32]  # TCP sequence number; else 0
    icmp: NDArray[np.uint16]  # ICMP and ICMPv6: type << 8 | code; else 0
    n: int = 0

    @classmethod
    def allocate(cls, capacity: int) -> Self:
        """Zeroed columns for ``capacity`` packets."""
        columns: dict[str, Any] = {
            f.name: np.zeros(capacity, f.type.split(".")[-1].rstrip("]"))
            for f in fields(cls)
            if f.name != "n"
        }
        return cls(**columns)

    @property
    def capacity(self) -> int:
        """Rows that the arrays can hold."""
        return len(self.ts)
