"""An IP address as two 64-bit words, the form that packets and flows carry, and back to text."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

_MAPPED = 0xFFFF << 32  # ::ffff:0:0/96 (RFC 4291, 2.5.5.2), low word


def words(address: str | IPv4Address | IPv6Address) -> tuple[int, int]:
    """High and low word of the 128-bit address; IPv4 mapped to ``::ffff:a.b.c.d``.

    Raises ``ValueError`` where the text is no address.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return 0, _MAPPED | int(ip)
    return int(ip) >> 64, int(ip) & (1 << 64) - 1


def text(hi: int, lo: int) -> str:
    """The address as people write it: mapped IPv4 as a dotted quad, IPv6 as in RFC 5952."""
    if hi == 0 and lo >> 32 == 0xFFFF:
        return str(IPv4Address(lo & 0xFFFFFFFF))
    # Words out of numpy would overflow when shifted.
    return str(IPv6Address(int(hi) << 64 | int(lo)))
