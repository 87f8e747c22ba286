"""Command and control: a bot asks what to do, and sometimes there is something."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from training.gateway.synth.benign.web import TLS_DATA, tls, tls_resumed
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire

Opening: TypeAlias = Callable[[Wire, float, Host, Host, str, int], Tcp]


def plain(wire: Wire, at: float, client: Host, server: Host, family: str, port: int) -> Tcp:
    """A connection with nothing around it."""
    return Tcp(wire, at, client, server, port, family).open()


OPENINGS: dict[str, Opening] = {"tls": tls, "resumed": tls_resumed, "plain": plain}


def c2_beacon(
    wire: Wire,
    at: float,
    until: float,
    bot: Host,
    controller: Host,
    every: float = 30.0,
    jitter: float = 0.1,
    port: int = 8443,
    opening: Opening = tls,
    request: tuple[int, int] = (210, 240),
    idle: int = 150,
    orders: float = 0.08,
    results: int = 0,
    down: float = 0.0,
    family: str = "c2 beacon",
) -> float:
    """A check-in every so many seconds, give or take a share: mostly nothing to do.

    ``idle`` is the answer's size then, ``orders`` the share of check-ins with an order,
    ``results`` the most bytes sent back after one, ``down`` the share that nobody answers.
    Returns when the next would be.
    """
    dice = wire.random
    while at < until:
        if down and dice.random() < down:
            Tcp(wire, at, bot, controller, port, family).unanswered(dice.randint(1, 3))
        else:
            tcp = opening(wire, at, bot, controller, family, port)
            tcp.send(bot, dice.randint(*request), TLS_DATA)
            order = dice.random() < orders
            tcp.send(controller, dice.randint(900, 2_500) if order else idle, TLS_DATA)
            if order and results:
                tcp.pause(dice.uniform(0.2, 4))
                tcp.send(bot, dice.randint(results // 20, results), TLS_DATA)
            tcp.close()
        at += every * dice.uniform(1 - jitter, 1 + jitter)
    return at


def c2_channel(
    tcp: Tcp, until: float, every: float, jitter: float, beat: int, orders: float
) -> None:
    """One connection held open: heartbeats, an order now and then, its output sent back."""
    dice = tcp.wire.random
    while tcp.now < until:
        if dice.random() < orders:
            tcp.send(tcp.server, dice.randint(20, 400))
            tcp.pause(dice.expovariate(2))
            tcp.send(tcp.client, min(40_000, int(dice.lognormvariate(6.5, 1.4))))
        else:
            tcp.converse([(beat, beat // 2 + 8)])
        tcp.pause(every * dice.uniform(1 - jitter, 1 + jitter))


def c2_dns(
    wire: Wire,
    at: float,
    until: float,
    bot: Host,
    resolver: Host,
    every: float,
    jitter: float,
    orders: float,
) -> None:
    """Check-ins as questions for TXT records; an order comes in some answers more."""
    dice = wire.random
    while at < until:
        for _ in range(dice.randint(2, 12) if dice.random() < orders else 1):
            ports = wire.port(bot), 53
            wire.datagram(at, bot, resolver, ports, dice.randint(45, 120), "c2")
            at += wire.lag(resolver) + dice.uniform(0.02, 0.2)
            size = dice.randint(60, 330)
            wire.datagram(at, resolver, bot, ports[::-1], size, "c2")
        at += every * dice.uniform(1 - jitter, 1 + jitter)


def c2_datagram(
    wire: Wire,
    at: float,
    until: float,
    bot: Host,
    controller: Host,
    port: int,
    every: float,
    jitter: float,
    size: int,
) -> None:
    """A datagram each time, from one port, and most times one back."""
    dice, ports = wire.random, (wire.port(bot), port)
    while at < until:
        wire.datagram(at, bot, controller, ports, size + dice.randint(0, 16), "c2")
        if dice.random() < 0.85:
            late, back = at + wire.lag(controller), (port, ports[0])
            wire.datagram(late, controller, bot, back, dice.randint(8, 300), "c2")
        at += every * dice.uniform(1 - jitter, 1 + jitter)


def c2_peers(
    wire: Wire, at: float, bot: Host, peers: list[Host], rate: float, gone: float, size: int
) -> None:
    """Other bots asked for orders from one port, each a few times; ``gone`` is the silent share."""
    dice, source = wire.random, wire.port(bot)
    for peer in peers:
        at += dice.expovariate(rate)
        ports, silent = (source, dice.randint(1024, 65535)), dice.random() < gone
        for again in range(dice.randint(1, 3)):
            begun = at + again * 5
            wire.datagram(begun, bot, peer, ports, size, "c2")
            if not silent:
                late, back = begun + wire.lag(peer), (ports[1], source)
                wire.datagram(late, peer, bot, back, dice.randint(16, 900), "c2")


def c2_chat(tcp: Tcp, until: float, every: float, orders: float) -> None:
    """IRC: name, channel, then the server's PINGs and, in ``orders`` of the rounds, somebody."""
    dice = tcp.wire.random
    tcp.converse(((dice.randint(30, 70), dice.randint(200, 2_000)), (20, dice.randint(80, 400))))
    while tcp.now < until:
        tcp.pause(every * dice.uniform(0.9, 1.1))
        ordered = dice.random() < orders
        tcp.send(tcp.server, dice.randint(60, 200) if ordered else 22)
        tcp.send(tcp.client, dice.randint(40, 400) if ordered else 22)


def c2_shell(tcp: Tcp, until: float, orders: int, think: float) -> None:
    """Orders typed at the controller's end, each with its output sent back."""
    dice = tcp.wire.random
    for _ in range(orders):
        if tcp.now > until:
            return
        tcp.pause(dice.expovariate(1 / think))
        tcp.send(tcp.server, dice.randint(3, 90))
        tcp.send(tcp.client, min(30_000, int(dice.lognormvariate(5.5, 1.5)) + 1))
    tcp.close(dice.choice((tcp.client, tcp.server)))


def c2_made_up_names(
    wire: Wire, at: float, bot: Host, resolver: Host, names: int, rate: float
) -> float:
    """Names that an algorithm makes: all but the last do not exist; returns when it is found."""
    dice = wire.random
    for nth in range(names):
        at += dice.expovariate(rate)
        ports, size = (wire.port(bot), 53), dice.randint(28, 48)
        wire.datagram(at, bot, resolver, ports, size, "c2")
        answer = size + (16 if nth == names - 1 else dice.randint(60, 110))
        wire.datagram(at + wire.lag(resolver), resolver, bot, (53, ports[0]), answer, "c2")
    return at


def c2_dead_controllers(
    wire: Wire, at: float, bot: Host, dead: list[Host], port: int, pace: float
) -> float:
    """A list of controllers that were taken down, one after another; returns when it is through."""
    dice = wire.random
    for controller in dead:
        tcp = Tcp(wire, at, bot, controller, port, "c2")
        tcp.refused() if dice.random() < 0.2 else tcp.unanswered(dice.randint(1, 3))
        at += dice.expovariate(1 / pace)
    return at
