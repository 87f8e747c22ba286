"""The house looked after: watched, counted, backed up, brought up to date."""

from __future__ import annotations

from typing import Final

from training.gateway.synth.benign import lan, web
from training.gateway.synth.benign.datagrams import question
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.icmp import echo
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host

_FAMILY = "management"
_WATCHED = "monitoring"
_INVENTORIED: Final = (22, 80, 135, 443, 445, 5985, 9100, 161, 3389, 8080)
_AGENT_PORTS: Final = (9102, 10_000, 22, 873, 445, 443, 8444)
_WS_DISCOVERY: Final = Host("01:00:5e:7f:ff:fa", "239.255.255.250")


def poll_counters(site: Site, machine: Machine) -> None:
    """SNMP: table after table from each machine, round after round; who is off is asked again."""
    dice, wire, monitor = site.wire.random, site.wire, site.monitor.host
    hosts = [each.host for each in site.part(site.monitor, 2, 30)]
    every, tables, down = spread(dice, 5, 120), dice.randint(1, 8), dice.choice((0.0, 0.1, 0.4))
    off, at = {host for host in hosts if dice.random() < down}, site.moment()
    ports, left = {host: wire.port(monitor) for host in hosts}, 400
    while at < wire.end and left > 0:
        for host in hosts:
            begun = at + dice.uniform(0, min(5.0, every / 2))
            for nth in range(dice.randint(1, tables)):
                sizes = dice.randint(40, 90), 0 if host in off else dice.randint(60, 1_400)
                late = question(wire, begun, monitor, host, (ports[host], 161), sizes, _WATCHED)
                begun = begun + 2**nth if host in off else late + 0.001
                left -= 2
        at += every * dice.uniform(0.99, 1.01)


def sweep(site: Site, machine: Machine) -> None:
    """Who is there? Pings to every address of the house, or along a list; some are off."""
    dice, wire, at, monitor = site.wire.random, site.wire, site.moment(), site.monitor.host
    rate, size = spread(dice, 0.5, 60), dice.choice((0, 8, 32, 56))
    rounds, every = dice.randint(1, 6), spread(dice, 10, 300)
    inside = dice.random() < 0.7
    listed = [site.remote() for _ in range(0 if inside else spread_int(dice, 4, 40))]
    off = dice.uniform(0, 0.5)
    silent = {host.ip for host in listed if dice.random() < off}
    for nth in range(rounds):
        moment = at + nth * every
        for host in listed or [each.host for each in site.machines if each is not site.monitor]:
            moment += dice.expovariate(rate)
            echo(wire, moment, monitor, host, size, _WATCHED, nth, host.ip not in silent)
            for _ in range(0 if listed else dice.randint(0, 4)):  # of the absent, only ARP is seen
                lan.who_has(wire, moment + dice.uniform(0, 0.2), monitor, site.nobody())


def take_stock(site: Site, machine: Machine) -> None:
    """An inventory: a few services tried on each machine, and who answers is asked what it is."""
    dice, wire, at, monitor = site.wire.random, site.wire, site.moment(), site.monitor.host
    ports = dice.sample(_INVENTORIED, dice.randint(1, 5))
    pace = spread(dice, 0.1, 8)
    for each in site.part(site.monitor, 2, 25):
        for port in ports:
            at += dice.expovariate(pace)
            found = site.state(each.host, port)
            if port == 161:
                sizes = dice.randint(40, 60), dice.choice((0, dice.randint(80, 300)))
                source = wire.port(monitor)
                question(wire, at, monitor, each.host, (source, 161), sizes, _WATCHED)
            elif found == "open":
                tcp = Tcp(wire, at, monitor, each.host, port, _WATCHED).open()
                tcp.converse([(dice.randint(40, 900), dice.randint(60, 4_000)) for _ in range(3)])
                tcp.close()
            elif found == "closed":
                Tcp(wire, at, monitor, each.host, port, _WATCHED).refused()
            else:
                Tcp(wire, at, monitor, each.host, port, _WATCHED).unanswered(dice.randint(1, 2))


def discover(site: Site, machine: Machine) -> None:
    """Printers and players looked for by WS-Discovery or SSDP: a shout, and everybody answers."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    port = dice.choice((3702, 1900))
    source, size = wire.port(us), dice.randint(100, 180) if port == 1900 else dice.randint(600, 800)
    answering = site.part(machine, 1, 15)
    for _ in range(dice.randint(1, 4)):
        wire.datagram(at, us, _WS_DISCOVERY, (source, port), size, "infrastructure")
        for each in answering:
            late, length = at + dice.uniform(0.01, 2), dice.randint(250, 1_200)
            wire.datagram(late, each.host, us, (port, source), length, "infrastructure")
        at += spread(dice, 0.5, 30)
    for each in answering[: dice.randint(0, 6)]:  # who answered is asked for a description
        tcp = Tcp(wire, at, us, each.host, dice.choice((80, 5357, 8008, 49152)), "infrastructure")
        if dice.random() < 0.15:
            tcp.refused()
        else:
            tcp.open().converse([(dice.randint(120, 900), dice.randint(500, 6_000))]).close()


def set_clock(site: Site, machine: Machine) -> None:
    """A clock that asks many servers, some of which are gone, again and again."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    servers = [site.remote() for _ in range(spread_int(dice, 3, 24))]
    off, every = dice.uniform(0, 0.5), dice.choice((2, 16, 64, 64, 128))
    silent = {server for server in servers if dice.random() < off}
    source = dice.choice((123, wire.port(machine.host)))
    for nth in range(dice.randint(1, 8)):
        for server in servers:
            moment = at + nth * every + dice.uniform(0, 2)
            sizes, ports = (48, 48 * (server not in silent)), (source, 123)
            question(wire, moment, machine.host, server, ports, sizes, "infrastructure")


def report_events(site: Site, machine: Machine) -> None:
    """Events and flow records to a collector: datagrams that nobody answers, or one long line."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    collector, every = site.role("collector", "server"), spread(dice, 0.2, 30)
    target = site.remote() if collector is machine else collector.host
    port, most = dice.choice((514, 514, 2055, 6343, 12201, 6514)), dice.choice((300, 1_400))
    ports, bursts = (wire.port(machine.host), port), dice.random() < 0.4
    tcp = Tcp(wire, at, machine.host, target, port, _FAMILY)
    if port == 6514:
        web.tls_handshake(tcp.open())
    for _ in range(spread_int(dice, 5, 90)):
        for _ in range(spread_int(dice, 1, 12) if bursts else 1):
            size = dice.randint(60, most)
            if port == 6514:
                tcp.wait(at)
                tcp.send(machine.host, size)
            else:
                wire.datagram(at, machine.host, target, ports, size, _FAMILY)
            at += dice.expovariate(300)
        at += dice.expovariate(1 / every)


def back_up_all(site: Site, machine: Machine) -> None:
    """The backup server's night: each machine called in turn, and most of what it has fetched."""
    dice, wire, at, left = site.wire.random, site.wire, site.moment(), 700_000
    store, port = site.role("backup server", "server"), dice.choice(_AGENT_PORTS)
    called, gap = dice.random() < 0.6, spread(dice, 0.1, 30)
    for each in site.part(store, 2, 15):
        at += dice.expovariate(1 / gap)
        one, other = (store.host, each.host) if called else (each.host, store.host)
        tcp = Tcp(wire, at, one, other, port, "backup")
        if dice.random() < 0.2:
            tcp.unanswered(dice.randint(1, 3)) if each.filtered else tcp.refused()
            continue
        tcp.open().converse([(dice.randint(60, 500), dice.randint(60, 500)) for _ in range(4)])
        size = min(left, spread_int(dice, 300, 250_000)) + 200
        tcp.send(each.host, size, rate=spread(dice, 5e5, 2e7))
        tcp.converse([(90, 90)]).close()
        left = max(0, left - size)


def distribute(site: Site, machine: Machine) -> None:
    """Software from one server to all, pushed or fetched within a minute of its release."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server, port = site.role("update server", "server"), dice.choice((80, 443, 445, 8080, 5985))
    pushed, size, rate = dice.random() < 0.4, spread_int(dice, 1_000, 60_000), spread(dice, 0.1, 10)
    for each in site.part(server, 3, 30):
        at += dice.expovariate(rate)
        ends = (server.host, each.host) if pushed else (each.host, server.host)
        tcp, fate = Tcp(wire, at, *ends, port, _FAMILY), dice.random()
        if fate < 0.1:
            tcp.unanswered(dice.randint(1, 3))
        else:
            tcp.open().converse([(dice.randint(150, 900), dice.randint(90, 900))])
            tcp.send(server.host, size)
            tcp.close(dice.choice(ends))


def restart(site: Site, machine: Machine) -> None:
    """A service goes away and comes back: everybody is cut off, refused, and returns at once."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    port, away = dice.choice((443, 445, 1883, 5222, 5432, 8080, 8883)), spread(dice, 1, 60)
    every, refusing = spread(dice, 0.5, 10), dice.random() < 0.7
    abroad = dice.random() < 0.3
    clients = (
        site.strangers(spread_int(dice, 5, 60))
        if abroad
        else [each.host for each in site.part(machine, 3, 30)]
    )
    for client in clients:
        moment, back = at + dice.uniform(0, every), at + away
        for _ in range(6):
            if moment > back:
                break
            tcp = Tcp(wire, moment, client, machine.host, port, "reconnect")
            tcp.refused() if refusing else tcp.unanswered(1)
            moment += every * dice.uniform(0.8, 1.2)
        tcp = Tcp(wire, back + dice.expovariate(2), client, machine.host, port, "reconnect").open()
        tcp.converse([(dice.randint(40, 600), dice.randint(20, 3_000)) for _ in range(3)], 0.05)
        web.abandon(tcp, spread(dice, 1, 200))
