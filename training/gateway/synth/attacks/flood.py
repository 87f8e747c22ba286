"""Floods: more than a machine can answer, or answers that it never asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from training.gateway.synth.attacks.scan import answer_syn
from training.gateway.synth.draws import spread_int
from training.gateway.synth.icmp import echo, unreachable
from training.gateway.synth.tcp import RST, SYN, Tcp
from training.gateway.synth.wire import Host, Wire

AMPLIFIERS: Final = {
    **{53: (64, (900, 1_452)), 123: (8, (440, 468)), 1900: (94, (260, 420))},  # DNS, NTP, SSDP
    **{11211: (15, (1_000, 1_452)), 389: (52, (1_200, 1_452)), 19: (1, (74, 1_100))},
    **{161: (40, (400, 1_452)), 3702: (170, (700, 1_400)), 111: (68, (120, 900))},
}
"""Bytes of a question and least and most of its answers, by port: memcached, CLDAP, chargen, ..."""

_DOCUMENTATION = ("192.0.2", "198.51.100", "203.0.113")  # RFC 5737


def syn_flood(wire: Wire, at: float, gateway_mac: str, target: Host, count: int) -> None:
    """SYNs from spoofed addresses; the target answers until its backlog of 128 is full."""
    for index in range(count):
        at += wire.random.expovariate(400)
        address = f"{wire.random.choice(_DOCUMENTATION)}.{wire.random.randint(1, 254)}"
        source = Host(gateway_mac, address, ttl=wire.random.randint(30, 250))
        ports = 1024 + index * 37 % 64_000, 443
        _syn(wire, at, source, target, ports, 512, index < 128, "syn flood")


def syns(
    wire: Wire,
    at: float,
    source: Callable[[], Host],
    target: Host,
    port: int,
    count: int,
    rate: float,
    backlog: int,
    window: int,
) -> None:
    """SYNs from wherever ``source`` says; the target answers until its backlog is full."""
    dice = wire.random
    for index in range(count):
        at += dice.expovariate(rate)
        sender = source()
        ports = wire.port(sender), port
        answered = index < backlog or dice.random() < 0.05
        _syn(wire, at, sender, target, ports, window, answered, "flood")


def _syn(
    wire: Wire,
    at: float,
    source: Host,
    target: Host,
    ports: tuple[int, int],
    window: int,
    answered: bool,
    family: str,
) -> None:
    seq = wire.random.getrandbits(32)
    wire.segment(at, source, target, ports, (seq, 0), SYN, window, family)
    if answered:
        late, back = at + wire.lag(target), (ports[1], ports[0])
        answer_syn(wire, late, target, source, back, (seq + 1) % 2**32, family)
        if family == "flood" and wire.random.random() < 0.1:  # the spoofed one knows nothing of it
            late += wire.lag(source)
            wire.segment(late, source, target, ports, ((seq + 1) % 2**32, 0), RST, 0, family)


def segments(
    wire: Wire,
    at: float,
    source: Callable[[], Host],
    target: Host,
    port: int,
    count: int,
    rate: float,
    flags: int,
    size: int,
) -> None:
    """Segments of connections that do not exist, from wherever ``source`` says; some are reset."""
    dice = wire.random
    for _ in range(count):
        at += dice.expovariate(rate)
        sender = source()
        ports, numbers = (wire.port(sender), port), (dice.getrandbits(32), dice.getrandbits(32))
        window = sender.stack.window
        wire.segment(at, sender, target, ports, numbers, flags, window, "flood", size=size)
        if not flags & RST and dice.random() < 0.2:
            late, back = at + wire.lag(target), (port, ports[0])
            wire.segment(late, target, sender, back, (numbers[1], 0), RST, 0, "flood")


def visits(
    wire: Wire,
    at: float,
    sources: list[Host],
    server: Host,
    port: int,
    count: int,
    rate: float,
    request: int,
    kept: int,
) -> None:
    """Whole connections with ``kept`` requests each (0: none), until the server has no more."""
    dice, page = wire.random, spread_int(wire.random, 90, 9_000)
    for index in range(count):
        at += dice.expovariate(rate)
        tcp = Tcp(wire, at, dice.choice(sources), server, port, "flood")
        if index > count // 2 and dice.random() < 0.3:
            tcp.unanswered(dice.randint(1, 2))
            continue
        tcp.open()
        for _ in range(kept):
            tcp.converse([(request + dice.randint(0, 40), page + dice.randint(0, 60))])
        tcp.close() if dice.random() < 0.6 else tcp.reset(tcp.client)


def udp_flood(
    wire: Wire,
    at: float,
    sources: list[Host],
    target: Host,
    port: int | None,
    count: int,
    rate: float,
    size: tuple[int, int],
) -> None:
    """Datagrams to one port, or to a new one (``None``) each few packets; refusals are rare."""
    dice = wire.random
    own = {source: wire.port(source) for source in sources}
    aim = {source: port or dice.randint(1, 65535) for source in sources}
    for _ in range(count):
        at += dice.expovariate(rate)
        source = dice.choice(sources)
        if port is None and dice.random() < 0.15:
            aim[source] = dice.randint(1, 65535)
        length = dice.randint(*size)
        wire.datagram(at, source, target, (own[source], aim[source]), length, "flood")
        if dice.random() < 0.02:
            unreachable(wire, at + wire.lag(target), target, source, length, "flood")


def icmp_flood(
    wire: Wire, at: float, sources: list[Host], target: Host, count: int, rate: float, size: int
) -> None:
    """Echo requests, as many answered as the target can."""
    for seq in range(count):
        at += wire.random.expovariate(rate)
        source = wire.random.choice(sources)
        answered = wire.random.random() < 0.6
        echo(wire, at, source, target, size, "flood", seq, answered)


def amplified(
    wire: Wire,
    at: float,
    reflectors: list[Host],
    victim: Host,
    service: int,
    count: int,
    rate: float,
    asked: bool,
) -> None:
    """Big answers of one of the ``AMPLIFIERS`` to questions in the victim's name.

    Where ``asked``, the tap is at the reflectors and the questions pass too.
    """
    dice = wire.random
    question, answers = AMPLIFIERS[service]
    port = dice.choice((80, 443, 53, dice.randint(1024, 65535)))
    ports = {each: dice.choice((port, dice.randint(1024, 65535))) for each in reflectors}
    for _ in range(count):
        at += dice.expovariate(rate)
        each, late = dice.choice(reflectors), at
        if asked:
            wire.datagram(at, victim, each, (ports[each], service), question, "flood")
            late += wire.lag(each)
        for _ in range(dice.randint(1, 4)):
            size = dice.randint(*answers)
            wire.datagram(late, each, victim, (service, ports[each]), size, "flood")
            late += dice.expovariate(5000)


def slowloris(
    wire: Wire,
    at: float,
    until: float,
    sources: list[Host],
    server: Host,
    port: int,
    count: int,
    every: float,
) -> None:
    """Connections held open by a header line now and then, none of which ends its request."""
    dice = wire.random
    for _ in range(count):
        at += dice.expovariate(8)
        tcp = Tcp(wire, at, dice.choice(sources), server, port, "flood").open()
        tcp.send(tcp.client, dice.randint(150, 260))
        while tcp.now < until:
            tcp.pause(every * dice.uniform(0.8, 1.2))
            tcp.send(tcp.client, dice.randint(8, 24))
            if dice.random() < 0.04:
                tcp.reset(server)
                break
