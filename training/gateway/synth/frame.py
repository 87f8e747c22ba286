"""Frames as bytes: Ethernet, IPv4 and IPv6, TCP and UDP, with right checksums.

Scapy builds the rarer packets; these are the many. Only as much of a payload is built as a capture
keeps, and what is left out are zeros, so checksums hold for the whole packet.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import ip_address

_VLAN = 0x8100
_DONT_FRAGMENT = 0x4000
UDP = 17
TCP = 6
ICMP = 1
ICMPV6 = 58


@lru_cache(4096)
def packed(address: str) -> bytes:
    """An address in network order, 4 or 16 bytes."""
    return ip_address(address).packed


@lru_cache(4096)
def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): 2^16 is 1 modulo 65535, so a sum of words is a residue."""
    even = data if len(data) % 2 == 0 else data + b"\0"
    return 0xFFFF - (int.from_bytes(even, "big") % 0xFFFF or 0xFFFF)


def transport_checksum(src: str, dst: str, proto: int, segment: bytes, size: int) -> int:
    """Over the pseudo-header too (RFC 9293, 3.1; RFC 8200, 8.1); ``size`` counts cut zeros."""
    pseudo = packed(src) + packed(dst) + struct.pack("!HHH", 0, proto, size)
    return checksum(pseudo + segment)


def ethernet(src: str, dst: str, vlan: int, ipv6: bool) -> bytes:
    """The link header, tagged where ``vlan`` is not 0."""
    tag = struct.pack("!HH", _VLAN, vlan) if vlan else b""
    return _mac(dst) + _mac(src) + tag + (b"\x86\xdd" if ipv6 else b"\x08\x00")


def network(src: str, dst: str, ttl: int, number: int, proto: int, size: int) -> bytes:
    """An IP header before ``size`` bytes; ``number`` is IPv4's identification."""
    if ":" in src:
        return struct.pack("!IHBB", 6 << 28, size, proto, ttl) + packed(src) + packed(dst)
    addresses = packed(src) + packed(dst)
    before = struct.pack("!BBHHHBB", 0x45, 0, 20 + size, number, _DONT_FRAGMENT, ttl, proto)
    return before + struct.pack("!H", checksum(before + addresses)) + addresses


def tcp(
    ports: tuple[int, int], seq: int, ack: int, flags: int, window: int, options: bytes
) -> bytes:
    """A TCP header without its checksum."""
    offset = (20 + len(options)) // 4 << 4
    return struct.pack("!HHIIBBHHH", *ports, seq, ack, offset, flags, window, 0, 0) + options


def udp(ports: tuple[int, int], size: int) -> bytes:
    """A UDP header, before ``size`` bytes of payload, without its checksum."""
    return struct.pack("!HHHH", *ports, 8 + size, 0)
