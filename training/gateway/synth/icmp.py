"""ICMP and ICMPv6 messages: echoes and refusals."""

from __future__ import annotations

import struct

from training.gateway.synth.wire import Host, Wire

_ECHO = {False: (8, 0), True: (128, 129)}  # request and reply, by IPv6 (RFC 792, RFC 4443)
_PORT_UNREACHABLE = {False: (3, 3), True: (1, 4)}
_QUOTED = {False: 28, True: 48}  # bytes of the headers that a refusal quotes
_MOST_QUOTED = 548  # payload that Linux quotes, so that all fits 576 bytes (RFC 1812, 4.3.2.3)


def echo(
    wire: Wire,
    at: float,
    sender: Host,
    receiver: Host,
    size: int,
    family: str,
    seq: int = 0,
    answered: bool = True,
) -> None:
    """An echo request with ``size`` bytes of data, and its reply."""
    request, reply = _ECHO[":" in sender.ip]
    number = wire.random.getrandbits(16)
    wire.message(at, sender, receiver, _header(request, 0, number, seq), size, family)
    if answered:
        late = at + wire.lag(receiver)
        wire.message(late, receiver, sender, _header(reply, 0, number, seq), size, family)


def unreachable(
    wire: Wire, at: float, sender: Host, receiver: Host, size: int, family: str
) -> None:
    """That nobody listens at the port to which ``size`` bytes were sent."""
    ipv6 = ":" in sender.ip
    kind, code = _PORT_UNREACHABLE[ipv6]
    quoted = _QUOTED[ipv6] + min(size, _MOST_QUOTED - 28)
    wire.message(at, sender, receiver, _header(kind, code, 0, 0), quoted, family)


def _header(kind: int, code: int, number: int, seq: int) -> bytes:
    return struct.pack("!BBHHH", kind, code, 0, number, seq & 0xFFFF)
