"""Scans: of ports, of hosts, by SYN, odd flags, UDP and echo requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeAlias

from training.gateway.synth.icmp import echo, unreachable
from training.gateway.synth.stack import Stack
from training.gateway.synth.tcp import ACK, FIN, PUSH, RST, SYN, Tcp
from training.gateway.synth.wire import Host, Wire

State: TypeAlias = Literal["open", "closed", "silent"]
"""What a target does about a port: answers, refuses, or says nothing."""

Probes: TypeAlias = Iterable[tuple[float, Host, int]]
"""When, whom, and at which port."""

RAW: Final = Stack(window=1024, scale=None, sack=False)  # nmap -sS
ODD_FLAGS: Final = (0, FIN, FIN | PUSH | 0x20, ACK, FIN | ACK)  # NULL to Maimon of nmap(1)
_OPEN = (22, 443, 445)
_QUESTIONS: Final = {5060: (380, 420), 161: (40, 43), 123: (8, 48, 192), 11211: (15,), 53: (30, 34)}
"""Bytes that a scanner of a UDP service asks with."""
_ANSWER = Stack(scale=None, sack=False)  # to a SYN that offers neither


def port_scan(
    wire: Wire, at: float, scanner: Host, target: Host, ports: int, answering: float
) -> None:
    """SYNs to many ports of one machine; a share of them is answered with RST, three are open."""
    source = wire.port()
    tried = sorted({*wire.random.sample(range(1, 10_000), ports), *_OPEN})
    wire.random.shuffle(tried)

    def state(_: Host, port: int) -> State:
        if port in _OPEN:
            return "open"
        return "closed" if wire.random.random() < answering else "silent"

    def probes() -> Probes:
        moment = at
        for port in tried:
            moment += wire.random.expovariate(25)
            yield moment, target, port

    syn_scan(wire, scanner, source, probes(), state, RAW, "port scan")


def syn_scan(
    wire: Wire,
    scanner: Host,
    source: int,
    probes: Probes,
    state: Callable[[Host, int], State],
    tool: Stack,
    family: str = "scan",
) -> None:
    """SYNs of a tool's own making, from one port; it hangs up where somebody answers."""
    for at, target, port in probes:
        ports, back = (source, port), (port, source)
        seq = wire.random.getrandbits(32)
        following = (seq + 1) % 2**32
        options = tool.syn_options(":" in scanner.ip)
        wire.segment(at, scanner, target, ports, (seq, 0), SYN, tool.window, family, options)
        found = state(target, port)
        if found == "open":
            answer_syn(wire, at + wire.lag(target), target, scanner, back, following, family)
            later = at + wire.lag(target) + wire.lag(scanner)
            wire.segment(later, scanner, target, ports, (following, 0), RST, 0, family)
        elif found == "closed":
            late = at + wire.lag(target)
            wire.segment(late, target, scanner, back, (0, following), RST | ACK, 0, family)


def answer_syn(
    wire: Wire,
    at: float,
    server: Host,
    client: Host,
    ports: tuple[int, int],
    ack: int,
    family: str,
) -> None:
    """A SYN-ACK that nobody expects."""
    isn = wire.random.getrandbits(32)
    options, window = _ANSWER.syn_options(":" in server.ip), server.stack.window
    wire.segment(at, server, client, ports, (isn, ack), SYN | ACK, window, family, options)


def connect_scan(
    wire: Wire,
    scanner: Host,
    probes: Probes,
    state: Callable[[Host, int], State],
    family: str = "scan",
) -> None:
    """Connections of the system's own stack: open ones are closed at once, silent ones retried."""
    for at, target, port in probes:
        tcp, found = Tcp(wire, at, scanner, target, port, family), state(target, port)
        if found == "closed":
            tcp.refused()
        elif found == "silent":
            tcp.unanswered(wire.random.randint(1, 3))
        elif wire.random.random() < 0.5:
            tcp.open().reset(scanner)
        else:
            tcp.open().close()


def odd_scan(
    wire: Wire,
    scanner: Host,
    source: int,
    probes: Probes,
    state: Callable[[Host, int], State],
    flags: int,
    window: int,
) -> None:
    """Segments that belong to no connection: closed ports refuse them (RFC 9293, 3.10.7.1).

    Open ones refuse an acknowledgement, too (3.10.7.2), so that it tells who is filtered.
    """
    for at, target, port in probes:
        seq, ack = wire.random.getrandbits(32), wire.random.getrandbits(32) if flags & ACK else 0
        wire.segment(at, scanner, target, (source, port), (seq, ack), flags, window, "scan")
        found, late, back = state(target, port), at + wire.lag(target), (port, source)
        if flags & ACK and found != "silent":
            wire.segment(late, target, scanner, back, (ack, 0), RST, 0, "scan")
        elif found == "closed":
            numbers = 0, (seq + bool(flags & FIN)) % 2**32
            wire.segment(late, target, scanner, back, numbers, RST | ACK, 0, "scan")


def udp_scan(
    wire: Wire, scanner: Host, source: int, probes: Probes, state: Callable[[Host, int], State]
) -> None:
    """Datagrams: closed ports answer with ICMP, of which Linux sends few; open ones at times."""
    refused = 0
    for at, target, port in probes:
        size = wire.random.choice(_QUESTIONS.get(port, (0, 0, 8, 12, 30, 48)))
        wire.datagram(at, scanner, target, (source, port), size, "scan")
        late, found = at + wire.lag(target), state(target, port)
        if found == "closed" and (refused < 6 or wire.random.random() < 0.15):
            refused += 1
            unreachable(wire, late, target, scanner, size, "scan")
        elif found == "open":
            size = wire.random.randint(20, 400)
            wire.datagram(late, target, scanner, (port, source), size, "scan")


def grab_banners(
    wire: Wire,
    scanner: Host,
    probes: Probes,
    state: Callable[[Host, int], State],
    request: int,
) -> None:
    """What is it? Who answers is asked a small question, or only listened to, and left."""
    dice = wire.random
    for at, target, port in probes:
        tcp, found = Tcp(wire, at, scanner, target, port, "scan"), state(target, port)
        if found == "closed":
            tcp.refused()
        elif found == "silent":
            tcp.unanswered(1)
        else:
            tcp.open().converse([(request, dice.randint(20, 2_500))])
            tcp.reset(scanner) if dice.random() < 0.5 else tcp.close(dice.choice((scanner, target)))


def ping_sweep(
    wire: Wire, scanner: Host, probes: Probes, alive: Callable[[Host], bool], size: int
) -> None:
    """Echo requests, one a host; the ports of the probes say nothing."""
    for at, target, _ in probes:
        echo(wire, at, scanner, target, size, "scan", answered=alive(target))
