"""Honest traffic that fails often or asks many: what a careless eye takes for a scan."""

from __future__ import annotations

from training.gateway.synth.benign.lan import ping
from training.gateway.synth.icmp import unreachable
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire


def retrying(
    wire: Wire, at: float, until: float, client: Host, dead: Host, port: int, every: float
) -> None:
    """A program whose server is gone, and which does not give up; ``every`` s between tries."""
    dice = wire.random
    refused, tries = dice.random() < 0.4, dice.randint(1, 4)
    while at < until:
        tcp = Tcp(wire, at, client, dead, port, "retry")
        tcp.refused() if refused else tcp.unanswered(tries)
        at = max(tcp.now, at + every * dice.uniform(0.9, 1.1))


def monitoring(
    wire: Wire,
    at: float,
    until: float,
    monitor: Host,
    checks: list[tuple[Host, int]],
    every: float,
    down: float,
) -> None:
    """Round after round a ping, a question by SNMP or a connection to each; some are down."""
    dice = wire.random
    dead = {check for check in checks if dice.random() < down}
    while at < until:
        moment = at
        for check in checks:
            _check(wire, moment, monitor, *check, check in dead)
            moment += dice.expovariate(6)
        at += every * dice.uniform(0.98, 1.02)


def _check(wire: Wire, at: float, monitor: Host, target: Host, port: int, is_dead: bool) -> None:
    dice = wire.random
    if port == 0:
        ping(wire, at, monitor, target, 1)
    elif port == 161:
        ports = wire.port(monitor), port
        wire.datagram(at, monitor, target, ports, dice.randint(42, 90), "monitoring")
        if not is_dead:
            late, size = at + wire.lag(target), dice.randint(50, 600)
            wire.datagram(late, target, monitor, ports[::-1], size, "monitoring")
    elif is_dead:
        Tcp(wire, at, monitor, target, port, "monitoring").unanswered(dice.randint(1, 2))
    else:
        tcp = Tcp(wire, at, monitor, target, port, "monitoring").open()
        if dice.random() < 0.6:
            tcp.converse([(dice.randint(60, 200), dice.randint(120, 900))])
        tcp.close()


def peers_by_datagram(
    wire: Wire, at: float, client: Host, port: int, peers: list[Host], rate: float
) -> None:
    """A distributed hash table: one port asks many, of whom some are long gone."""
    dice = wire.random
    for peer in peers:
        at += dice.expovariate(rate)
        ports = port, dice.choice((6881, dice.randint(1024, 65535)))
        outward = dice.random() < 0.75
        first, second = (client, peer) if outward else (peer, client)
        pair = ports if outward else ports[::-1]
        for _ in range(dice.randint(1, 3)):
            wire.datagram(at, first, second, pair, dice.randint(95, 340), "p2p")
            if dice.random() < 0.5:
                late, size = at + wire.lag(second), dice.randint(50, 420)
                wire.datagram(late, second, first, pair[::-1], size, "p2p")
            at += dice.expovariate(0.6)
        if outward and dice.random() < 0.05:
            unreachable(wire, at + wire.lag(peer), peer, client, 120, "p2p")


def peers_by_stream(
    wire: Wire, at: float, client: Host, port: int, peers: list[Host], rate: float
) -> None:
    """Connections to and from peers: many fail, a few carry pieces."""
    dice = wire.random
    for peer in peers:
        at += dice.expovariate(rate)
        inward = dice.random() < 0.25
        one, other = (peer, client) if inward else (client, peer)
        target = port if inward else dice.choice((6881, 51413, dice.randint(1024, 65535)))
        tcp, luck = Tcp(wire, at, one, other, target, "p2p"), dice.random()
        if luck < 0.4 and not inward:
            tcp.unanswered(dice.randint(1, 3))
        elif luck < 0.5 and not inward:
            tcp.refused()
        else:
            tcp.open().converse([(68, 68), (dice.randint(5, 200), dice.randint(5, 200))])
            for _ in range(dice.randint(0, 3)):
                sizes = dice.choice([(17, 16_397), (16_397, 17), (17, 17)])
                tcp.converse([sizes], think=0.5)
            tcp.close(dice.choice((one, other)))
