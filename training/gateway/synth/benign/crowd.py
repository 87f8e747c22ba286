"""Programs that try again and again, and rounds of checks: what a careless eye takes for a scan."""

from __future__ import annotations

from training.gateway.synth.icmp import echo
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
        echo(wire, at, monitor, target, 56, "infrastructure")
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
