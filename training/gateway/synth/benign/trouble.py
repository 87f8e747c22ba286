"""Honest traffic that fails: addresses raced, lists blocked, lines down, portals in the way."""

from __future__ import annotations

from training.gateway.synth.benign import web
from training.gateway.synth.benign.datagrams import question
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.icmp import echo
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp

_PORTS = (443, 443, 443, 80, 8443, 5228, 993, 853)


def race_addresses(site: Site, machine: Machine) -> None:
    """Happy Eyeballs (RFC 8305): address after address within a second; the losers are dropped."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    wait, lost = dice.choice((0.05, 0.25, 0.25, 0.3)), dice.uniform(0.1, 0.9)
    rate = spread(dice, 0.1, 5)
    for _ in range(spread_int(dice, 2, 30)):
        at += dice.expovariate(rate)
        service = dice.choice(site.services)
        client, servers = site.towards(machine, service)
        first = Tcp(wire, at, client, dice.choice(servers), 443, "web")
        if dice.random() < lost:
            first.unanswered(dice.randint(1, 2))
        else:
            first.open().reset(client)
        other = web.tls_resumed(
            wire, at + wait, machine.host, dice.choice(service.servers), "web", 443
        )
        web.abandon(web.requests(other, dice.randint(0, 3), 0.2, 1_500), dice.expovariate(0.2))


def run_into_blocks(site: Site, machine: Machine) -> None:
    """Advertisers are blocked: their names are unknown, or their addresses refuse or drop."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    way, port = dice.choice(("name", "refuse", "drop")), dice.choice(_PORTS)
    rate = spread(dice, 0.2, 15)
    advertisers = [site.remote() for _ in range(spread_int(dice, 3, 40))]
    for _ in range(spread_int(dice, 5, 90)):
        at += dice.expovariate(rate)
        ports, size = (wire.port(machine.host), 53), dice.randint(30, 70)
        sizes = size, size + (0 if way == "name" else 16) + dice.randint(0, 80)
        late = question(wire, at, machine.host, site.resolver, ports, sizes, "dns")
        if way != "name":
            tcp = Tcp(wire, late, machine.host, dice.choice(advertisers), port, "web")
            tcp.refused() if way == "refuse" else tcp.unanswered(dice.randint(1, 3))


def meet_portal(site: Site, machine: Machine) -> None:
    """A captive portal: test pages are redirected, everything else is reset or dropped."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    dropped, every = dice.random() < 0.5, spread(dice, 0.5, 20)
    for _ in range(spread_int(dice, 4, 40)):
        at += dice.expovariate(1 / every)
        client, servers = site.towards(machine, dice.choice(site.services))
        if dice.random() < 0.4:
            tcp = Tcp(wire, at, client, servers[0], 80, "web").open()
            tcp.converse([(dice.randint(80, 300), dice.randint(150, 900))]).close(servers[0])
        else:
            tcp = Tcp(wire, at, client, servers[0], 443, "web")
            tcp.unanswered(dice.randint(1, 3)) if dropped else tcp.refused()


def lose_line(site: Site, machine: Machine) -> None:
    """The line is down for a while: all machines ask for what they want again and again."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    until, pace, left = at + spread(dice, 5, 90), spread(dice, 0.3, 10), 250
    away = [site.remote() for _ in range(spread_int(dice, 3, 25))]
    while at < until and left > 0:
        at, client, left = at + dice.expovariate(pace), dice.choice(site.machines).host, left - 1
        kind = dice.random()
        if kind < 0.3:
            for nth in range(dice.randint(1, 3)):
                ports, size = (wire.port(client), 53), dice.randint(28, 60)
                wire.datagram(at + 5 * nth, client, away[0], ports, size, "dns")
        elif kind < 0.85:
            tcp = Tcp(wire, at, client, dice.choice(away), dice.choice(_PORTS), "retry")
            tcp.unanswered(dice.randint(1, 4))
        else:
            echo(wire, at, client, dice.choice(away), 56, "infrastructure", answered=False)


def wake_up(site: Site, machine: Machine) -> None:
    """A lid is opened: old connections are reset, new ones made everywhere within seconds."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    rate, stale = spread(dice, 1, 30), dice.uniform(0, 0.4)
    for _ in range(spread_int(dice, 6, 60)):
        at += dice.expovariate(rate)
        client, servers = site.towards(machine, dice.choice(site.services))
        server, port, fate = dice.choice(servers), dice.choice(_PORTS), dice.random()
        tcp = Tcp(wire, at, client, server, port, "push")
        if fate < stale / 2:
            tcp.unanswered(dice.randint(1, 3))
        elif fate < stale:
            tcp.refused()
        else:
            web.tls_handshake(tcp.open())
            web.requests(tcp, dice.randint(0, 2), 0.3, 700)
            web.abandon(tcp, spread(dice, 0.5, 300))


def try_ports(site: Site, machine: Machine) -> None:
    """A program that goes through the few ports which its server might have, until one is open."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server = dice.choice((site.remote(), site.another(machine, "server", "thing").host))
    ports = dice.sample(
        (443, 80, 8080, 8443, 5223, 5228, 1935, 554, 8554, 37777), dice.randint(2, 8)
    )
    refused, gap = dice.random() < 0.5, spread(dice, 0.02, 5)
    for _ in range(dice.randint(1, 4)):
        for port in ports[:-1]:
            tcp = Tcp(wire, at, machine.host, server, port, "retry")
            tcp.refused() if refused else tcp.unanswered(1)
            at = at + dice.expovariate(1 / gap)
        tcp = Tcp(wire, at, machine.host, server, ports[-1], "retry").open()
        tcp.converse([(dice.randint(60, 600), dice.randint(60, 2_000))]).close()
        at = tcp.now + spread(dice, 1, 60)


def measure_speed(site: Site, machine: Machine) -> None:
    """How fast is the line? Pings to many servers, then as much as it carries, down and up."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    servers = [site.remote() for _ in range(dice.randint(1, 10))]
    for server in servers:
        tcp = Tcp(wire, at, us, server, dice.choice((8080, 443, 5060)), "download").open()
        tcp.converse([(dice.randint(20, 500), dice.randint(20, 500)) for _ in range(4)]).close()
        at += dice.uniform(0.02, 0.5)
    streams, size = dice.randint(1, 8), spread_int(dice, 40_000, 400_000)
    rate = spread(dice, 3e5, 2e7)
    for upwards in (False, True):
        for _ in range(streams):
            tcp = Tcp(wire, at + dice.expovariate(8), us, servers[0], 8080, "download").open()
            tcp.send(us, dice.randint(60, 400))
            tcp.send(us if upwards else servers[0], size // streams + 1_000, rate=rate)
            tcp.close(dice.choice((us, servers[0])))
        at += size / rate / streams + dice.uniform(0.5, 3)
