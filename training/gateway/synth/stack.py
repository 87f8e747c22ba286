"""How a machine's TCP/IP stack shows in its headers."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_NOPS = b"\x01\x01"


@dataclass(frozen=True)
class Stack:
    """A TCP implementation's habits; the defaults are those of a recent Linux."""

    window: int = 64240  # of its SYN, unscaled
    settled: tuple[int, int] = (501, 512)  # windows later on, least and most
    mss: int = 1460  # over IPv4; 20 less over IPv6
    scale: int | None = 7
    sack: bool = True
    stamps: bool = False  # offers timestamps (RFC 7323)
    ports: tuple[int, int] | None = None  # ephemeral ones; None takes the wire's own count
    hello: int = 517  # bytes of its TLS client hello

    def segment_size(self, ipv6: bool) -> int:
        """Most payload bytes of a segment without options."""
        return self.mss - 20 if ipv6 else self.mss

    def syn_options(self, ipv6: bool, stamp: int | None = None) -> bytes:
        """TCP options of a SYN (RFC 9293, 3.2; RFC 7323), padded to whole words."""
        options = struct.pack("!BBH", 2, 4, self.segment_size(ipv6))
        if self.scale is not None:
            options += struct.pack("!BBBB", 1, 3, 3, self.scale)
        if self.sack:
            options += b"\x04\x02"
        if stamp is not None:
            options += stamp_option(stamp, 0)
        return options + bytes(-len(options) % 4)


STAMP_BYTES: Final = 12


def stamp_option(value: int, echo: int) -> bytes:
    """The timestamps option, aligned (RFC 7323, appendix A)."""
    return _NOPS + struct.pack("!BBII", 8, 10, value & 0xFFFFFFFF, echo & 0xFFFFFFFF)
