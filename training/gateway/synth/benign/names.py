"""Names looked up: DNS answered, refused, and not answered at all."""

from __future__ import annotations

from functools import lru_cache

from scapy.layers.dns import DNS, DNSQR, DNSRR

from training.gateway.synth.wire import Host, Wire

_NO_SUCH_NAME = 3  # RCODE (RFC 1035, 4.1.1)


def dns(
    wire: Wire,
    at: float,
    client: Host,
    resolver: Host,
    name: str,
    address: str,
    within: tuple[float, float] = (0.004, 0.045),
) -> float:
    """A name looked up at the resolver; returns when the answer passes."""
    number, ports = wire.random.getrandbits(16), (wire.port(client), 53)
    qtype = "AAAA" if ":" in address else "A"
    _tell(wire, at, client, resolver, ports, number, query(name, qtype))
    answered = at + wire.random.uniform(*within)
    _tell(wire, answered, resolver, client, ports[::-1], number, answer(name, qtype, address))
    return answered


def no_such_name(wire: Wire, at: float, client: Host, resolver: Host, name: str) -> float:
    """A name that does not exist; returns when the answer passes."""
    number, ports = wire.random.getrandbits(16), (wire.port(client), 53)
    _tell(wire, at, client, resolver, ports, number, query(name, "A"))
    answered = at + wire.random.uniform(0.004, 0.2)
    _tell(wire, answered, resolver, client, ports[::-1], number, denial(name))
    return answered


def unanswered(wire: Wire, at: float, client: Host, resolver: Host, name: str, tries: int) -> None:
    """A resolver that is down: the same question again every 5 s (resolv.conf(5), timeout)."""
    number, ports = wire.random.getrandbits(16), (wire.port(client), 53)
    for attempt in range(tries):
        _tell(wire, at + 5 * attempt, client, resolver, ports, number, query(name, "A"))


def _tell(
    wire: Wire,
    at: float,
    sender: Host,
    receiver: Host,
    ports: tuple[int, ...],
    number: int,
    rest: bytes,
) -> None:
    message = number.to_bytes(2, "big") + rest
    pair = ports[0], ports[1]
    wire.datagram(at, sender, receiver, pair, len(message), "dns", message)


@lru_cache(4096)
def query(name: str, qtype: str) -> bytes:
    """A question without its two bytes of identification."""
    return bytes(DNS(rd=1, qd=DNSQR(qname=name, qtype=qtype)))[2:]


@lru_cache(4096)
def answer(name: str, qtype: str, address: str) -> bytes:
    """Its answer, likewise."""
    record = DNSRR(rrname=name, type=qtype, ttl=300, rdata=address)
    return bytes(DNS(qr=1, rd=1, ra=1, qd=DNSQR(qname=name, qtype=qtype), an=record))[2:]


@lru_cache(4096)
def denial(name: str) -> bytes:
    """That there is no such name, likewise."""
    question = DNSQR(qname=name, qtype="A")
    return bytes(DNS(qr=1, rd=1, ra=1, rcode=_NO_SUCH_NAME, qd=question))[2:]
