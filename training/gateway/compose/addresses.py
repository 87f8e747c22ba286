"""The network of a gateway: its prefix, and addresses for all that come to live in or behind it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv4Network
from random import Random
from typing import Final

from agent.addresses import words

Address = tuple[int, int]
"""High and low word."""

_BLOCKS: Final = {"192.168.0.0/16": 0.6, "10.0.0.0/8": 0.3, "172.16.0.0/12": 0.1}  # RFC 1918
_LENGTHS: Final = (24, 24, 24, 24, 23, 22, 20, 16)  # of prefixes; a /24 is what most have
_WIDEST: Final = 16
_GLOBAL_SHARE: Final = 1 / 3
"""Of IPv6 networks without a unique local prefix: their hosts are local only by an address that the
agent's default settings do not know."""
_WORD: Final = 64
_HOST_MASK: Final = 0xFFFFFFFF
_LINK_LOCAL_V4: Final = IPv4Network("169.254.0.0/16")
_LINK_LOCAL_V6: Final = 0xFE80 << 48  # high word


class Lan:
    """Gives out addresses, none twice, in one IPv4 and one IPv6 network and outside of them.

    Args:
        hosts: how many IPv4 hosts the network must have room for, at least.
        avoid: addresses never to give out.

    Attributes:
        network: the IPv4 network, of RFC 1918.
        high: high word of the IPv6 network's /64: unique local (RFC 4193), or global unicast.
        gateway_mac: six bytes, in front of everything outside.
    """

    def __init__(self, rng: Random, hosts: int, avoid: Collection[Address]) -> None:
        self._rng = rng
        self._taken = set(avoid)
        self._macs: dict[Address, bytes] = {}
        self._remote_high: dict[tuple[object, int], int] = {}
        self.network = self._draw_network(hosts)
        is_global = rng.random() < _GLOBAL_SHARE
        self.high = self._global_high() if is_global else 0xFD << 56 | rng.getrandbits(56)
        self.gateway_mac = self.draw_mac()

    def inside(self, is_v6: bool) -> Address:
        """A host of the network."""
        if is_v6:
            return self._new(lambda: (self.high, self._rng.getrandbits(_WORD)))
        first, size = int(self.network.network_address), self.network.num_addresses
        return self._new(lambda: words(IPv4Address(first + self._rng.randrange(2, size - 1))))

    def link_local(self, is_v6: bool) -> Address:
        """RFC 4291, 2.5.6; RFC 3927, 2.1: not the first and not the last 256."""
        if is_v6:
            return self._new(lambda: (_LINK_LOCAL_V6, self._rng.getrandbits(_WORD)))
        first, size = int(_LINK_LOCAL_V4.network_address), _LINK_LOCAL_V4.num_addresses
        return self._new(lambda: words(IPv4Address(first + self._rng.randrange(256, size - 256))))

    def outside(self, is_v6: bool, part: object, high: int) -> Address:
        """A public address; IPv6 hosts of one ``part`` and one /64, ``high``, stay in one /64."""
        if not is_v6:
            return self._new(lambda: words(self._global_v4()))
        if (part, high) not in self._remote_high:
            self._remote_high[part, high] = self._global_high()
        return self._new(lambda: (self._remote_high[part, high], self._rng.getrandbits(_WORD)))

    def broadcast(self) -> Address:
        """Of the IPv4 network."""
        return words(self.network.broadcast_address)

    def mac(self, address: Address) -> bytes:
        """The card of a host inside, always the same."""
        if address not in self._macs:
            self._macs[address] = self.draw_mac()
        return self._macs[address]

    def _new(self, draw: Callable[[], Address]) -> Address:
        address = draw()
        while address in self._taken:
            address = draw()
        self._taken.add(address)
        return address

    def _draw_network(self, hosts: int) -> IPv4Network:
        # At least three times as large, so that drawing a free address is quick.
        fits = [n for n in _LENGTHS if 1 << (32 - n) >= 3 * hosts] or [_WIDEST]
        length = self._rng.choice(fits)
        [block] = self._rng.choices([*map(IPv4Network, _BLOCKS)], [*_BLOCKS.values()])
        number = self._rng.getrandbits(length - block.prefixlen) if length > block.prefixlen else 0
        return IPv4Network((int(block.network_address) + (number << (32 - length)), length))

    def _global_v4(self) -> IPv4Address:
        address = IPv4Address(self._rng.getrandbits(32))
        while not address.is_global or address.is_multicast:
            address = IPv4Address(self._rng.getrandbits(32))
        return address

    def _global_high(self) -> int:
        """A /64 of 2400::/6, which registries assign from (IANA's registry of unicast prefixes)."""
        return 0x24 << 56 | self._rng.getrandbits(58)

    def draw_mac(self) -> bytes:
        """Unicast, locally administered (IEEE 802, 8.4)."""
        return bytes([self._rng.getrandbits(6) << 2 | 2]) + self._rng.randbytes(5)


def group_mac(address: Address) -> bytes:
    """Where frames to a group go (RFC 1112, 6.4; RFC 2464, 7); to everybody, if it is none."""
    high, low = address
    if high >> 56 == 0xFF:
        return b"\x33\x33" + (low & _HOST_MASK).to_bytes(4, "big")
    if low >> 28 & 0xF == 0xE:
        return b"\x01\x00\x5e" + (low & 0x7FFFFF).to_bytes(3, "big")
    return b"\xff" * 6
