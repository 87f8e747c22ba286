"""Databases and their clients: pools kept warm, a connection a page, lines held for news."""

from __future__ import annotations

from typing import Final

from training.gateway.synth.benign.protocols import Protocol
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host

_FAMILY = "database"
_PROTOCOLS: Final = (
    Protocol(5432, ((8, 1), (84, 13), (55, 90), (110, 400)), (30, 900), (60, 9_000)),  # PostgreSQL
    Protocol(3306, ((0, 95), (190, 11), (38, 120)), (20, 700), (11, 6_000)),  # MySQL
    Protocol(1433, ((94, 43), (250, 1_200), (310, 470)), (90, 1_500), (60, 9_000)),  # TDS
    Protocol(1521, ((250, 8), (250, 32), (180, 190), (900, 1_200)), (60, 900), (90, 6_000)),  # TNS
    Protocol(6379, ((36, 5),), (14, 200), (4, 2_000)),  # Redis
    Protocol(11211, (), (12, 90), (5, 4_000)),  # memcached
    Protocol(27017, ((320, 330),), (120, 900), (60, 8_000)),  # MongoDB
    Protocol(9042, ((31, 90), (60, 9)), (60, 400), (40, 5_000)),  # Cassandra
    Protocol(9200, (), (180, 2_000), (200, 12_000)),  # Elasticsearch
    Protocol(5672, ((8, 500), (360, 20), (60, 12)), (60, 900), (12, 60)),  # AMQP
    Protocol(9092, ((40, 300), (60, 500)), (60, 2_000), (40, 4_000)),  # Kafka
    Protocol(2379, (), (90, 300), (60, 900), encrypted=True),  # etcd
)


def _store(site: Site, client: Machine) -> tuple[Host, Protocol]:
    """A database of the house, or one that is rented, always with the same protocol."""
    dice, number = site.wire.random, site.wire.random.randint(0, 2)
    protocol = _PROTOCOLS[(site.wire.seed + number) % len(_PROTOCOLS)].as_used(dice)
    keeper = site.role(f"database {number}", "server")
    if keeper is client or dice.random() < 0.2:
        return dice.choice(site.services).servers[0], protocol
    return keeper.host, protocol


def pool(site: Site, machine: Machine) -> None:
    """Connections opened together and kept: questions on any, and keep-alives on the idle ones."""
    dice, at = site.wire.random, site.moment()
    server, protocol = _store(site, machine)
    every, idle, rate = spread(dice, 0.2, 40), spread(dice, 5, 60), spread(dice, 0.5, 40)
    for _ in range(spread_int(dice, 2, 24)):
        tcp = protocol.begin(site.wire, at, machine.host, server, _FAMILY)
        _keep(tcp, protocol, every, idle, min(site.wire.end, tcp.now + 12 * every))
        at += dice.expovariate(rate)


def _keep(tcp: Tcp, protocol: Protocol, every: float, idle: float, until: float) -> None:
    dice = tcp.wire.random
    while tcp.now < until:
        if dice.random() < 0.7:
            protocol.ask(tcp, dice.randint(1, 3))
            tcp.pause(dice.expovariate(1 / every))
        else:
            tcp.pause(idle)
            tcp.converse([(dice.randint(5, 30), dice.randint(5, 60))])
    if dice.random() < 0.4:
        tcp.close(dice.choice((tcp.client, tcp.server)))


def connect_each_time(site: Site, machine: Machine) -> None:
    """A page's program that logs in for every visitor: many short sessions, a few refused ones."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server, protocol = _store(site, machine)
    rate, refused = spread(dice, 0.1, 20), dice.choice((0.0, 0.0, dice.uniform(0, 0.3)))
    for _ in range(spread_int(dice, 8, 80)):
        at += dice.expovariate(rate)
        if dice.random() < refused:
            Tcp(wire, at, machine.host, server, protocol.port, _FAMILY).refused()
            continue
        tcp = protocol.begin(wire, at, machine.host, server, _FAMILY)
        protocol.ask(tcp, dice.randint(1, 4)).close(dice.choice((machine.host, server)))


def replicate(site: Site, machine: Machine) -> None:
    """What changed, streamed to a copy, acknowledged, with a heartbeat when nothing did."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server, protocol = _store(site, machine)
    tcp = protocol.begin(wire, at, machine.host, server, _FAMILY)
    every, beat = spread(dice, 0.3, 20), dice.randint(18, 60)
    source = dice.choice((machine.host, server))
    until = min(wire.end, tcp.now + 60 * every)
    target = server if source is machine.host else machine.host
    while tcp.now < until:
        quiet = dice.random() < 0.5
        tcp.send(source, beat if quiet else min(40_000, int(dice.lognormvariate(6.5, 1.3))))
        tcp.send(target, dice.randint(20, 50))
        tcp.pause(every * dice.uniform(0.9, 1.1))


def analyse(site: Site, machine: Machine) -> None:
    """Few questions with long answers: reports, exports, imports."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server, protocol = _store(site, machine)
    tcp, total = protocol.begin(wire, at, machine.host, server, _FAMILY), 0
    upwards = dice.random() < 0.25
    while total < 500_000 and tcp.now < wire.end and dice.random() < 0.8:
        size = spread_int(dice, 2_000, 200_000)
        small = dice.randint(*protocol.request)
        tcp.converse([(size, small) if upwards else (small, size)], think=spread(dice, 0.05, 5))
        tcp.pause(spread(dice, 0.1, 40))
        total += size
    tcp.close()
