"""Servers behind the gateway, and the strangers who may visit them: readers, robots, watchers."""

from __future__ import annotations

from typing import Final

from training.gateway.synth.benign import web
from training.gateway.synth.benign.datagrams import question
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.icmp import echo
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp

_FAMILY = "visitor"
_WEB_PORTS: Final = (80, 80, 443, 443, 443, 443, 8080, 8443)
_ASKED: Final = {53: ((30, 70), (45, 480)), 123: ((48, 48), (48, 48)), 3478: ((20, 28), (32, 104))}
"""Bytes of questions and answers: names, time, and one's own address (STUN)."""


def serve(site: Site, machine: Machine) -> None:
    """Visitors from outside: readers, crawlers, other mail servers."""
    dice, wire = site.wire.random, site.wire
    port = dice.choice((*_WEB_PORTS, 25, 22))
    for _ in range(spread_int(dice, 1, 15)):
        at, visitor = site.moment(), site.remote(client=True)
        for _ in range(dice.choice((1, 1, 2, 6))):
            _be_visited(site, Tcp(wire, at, visitor, machine.host, port, _FAMILY).open())
            at += dice.expovariate(1)


def _be_visited(site: Site, tcp: Tcp) -> None:
    dice = site.wire.random
    if dice.random() < 0.5:
        web.tls_handshake(tcp)
    web.requests(tcp, spread_int(dice, 1, 5), spread(dice, 0.05, 3), spread(dice, 300, 8_000))
    web.abandon(tcp, spread(dice, 0.1, 20))


def _glance(tcp: Tcp, request: int, response: int) -> None:
    """A short visit: a question or none, and away."""
    dice = tcp.wire.random
    if tcp.server.stack.hello and dice.random() < 0.5:
        tcp.converse([(tcp.client.stack.hello, dice.randint(130, 3_500)), (80, 0)])
    if request:
        tcp.converse([(request + dice.randint(0, 60), response + dice.randint(0, response))])
    web.abandon(tcp, dice.choice((0.0, dice.uniform(0, 5))))


def be_popular(site: Site, machine: Machine) -> None:
    """Many strangers within a minute: links, campaigns, lessons. Some turn away half-way."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    port, rate, lost = dice.choice(_WEB_PORTS), spread(dice, 0.5, 40), dice.uniform(0, 0.25)
    overloaded, response = dice.random() < 0.25, spread_int(dice, 100, 6_000)
    for _ in range(spread_int(dice, 15, 120)):
        at += dice.expovariate(rate)
        tcp = Tcp(wire, at, site.remote(client=True), machine.host, port, _FAMILY)
        if dice.random() >= lost:
            _glance(tcp.open(), dice.randint(180, 900), response)
        elif overloaded:
            tcp.unanswered(dice.randint(1, 4))
        else:
            tcp.half_open()


def be_crawled(site: Site, machine: Machine) -> None:
    """A search engine or an archive: one to four addresses ask for page after page."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    robots, port = [site.remote() for _ in range(dice.randint(1, 4))], dice.choice(_WEB_PORTS)
    rate, kept = spread(dice, 0.05, 12), dice.choice((1, 1, 1, 3, 10))
    median = spread(dice, 200, 8_000)
    for _ in range(spread_int(dice, 6, 100) // kept + 1):
        at += dice.expovariate(rate)
        tcp = Tcp(wire, at, dice.choice(robots), machine.host, port, _FAMILY).open()
        if port in (443, 8443):
            web.tls_handshake(tcp)
        web.requests(tcp, kept, 0.5 / rate, median)
        web.abandon(tcp, dice.expovariate(1))


def be_watched(site: Site, machine: Machine) -> None:
    """Is it up? Asked from a few places, regularly, by ping, by a connection or by a page."""
    dice, wire = site.wire.random, site.wire
    every, jitter = spread(dice, 5, 200), dice.choice((0.0, 0.01, 0.05))
    way, port = dice.choice(("ping", "connect", "page", "page")), dice.choice((*_WEB_PORTS, 22, 25))
    request, response = dice.randint(90, 400), spread_int(dice, 80, 3_000)
    watchers = [site.remote() for _ in range(dice.randint(1, 8))]
    for watcher in watchers:
        at = site.moment()
        for _ in range(max(3, 160 // len(watchers))):
            if at > wire.end:
                break
            if way == "ping":
                echo(wire, at, watcher, machine.host, dice.choice((32, 56)), _FAMILY)
            else:
                tcp = Tcp(wire, at, watcher, machine.host, port, _FAMILY).open()
                _glance(tcp, request if way == "page" else 0, response)
            at += every * dice.uniform(1 - jitter, 1 + jitter)


def be_polled(site: Site, machine: Machine) -> None:
    """Programs elsewhere that ask an interface for news, each on a clock of its own."""
    dice, wire = site.wire.random, site.wire
    port, every = dice.choice((*_WEB_PORTS, dice.randint(1024, 49_151))), spread(dice, 2, 120)
    request, response = spread_int(dice, 120, 1_500), spread_int(dice, 60, 6_000)
    for client in site.strangers(spread_int(dice, 1, 25)):
        at, own = site.moment(), every * dice.uniform(0.5, 1.5)
        for _ in range(dice.randint(1, 15)):
            tcp = Tcp(wire, at, client, machine.host, port, _FAMILY).open()
            _glance(tcp, request, response)
            at += own * dice.uniform(0.98, 1.02)


def be_called_back(site: Site, machine: Machine) -> None:
    """Webhooks: somebody's events posted here, or ours posted there; some posts fail."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    others, inward = [site.remote() for _ in range(dice.randint(1, 5))], dice.random() < 0.6
    port, failing = dice.choice((443, 443, 8443, 80)), dice.uniform(0, 0.4)
    rate = spread(dice, 0.05, 20)
    for _ in range(spread_int(dice, 3, 50)):
        at += dice.expovariate(rate)
        other = dice.choice(others)
        ends = (other, machine.host) if inward else (machine.host, other)
        tcp = Tcp(wire, at, *ends, port, _FAMILY)
        if dice.random() < failing:
            tcp.unanswered(2) if dice.random() < 0.5 else tcp.refused()
        else:
            _glance(tcp.open(), spread_int(dice, 300, 12_000), 120)


def check_health(site: Site, machine: Machine) -> None:
    """A balancer that asks each backend every few seconds, always the same; some are down."""
    dice, wire = site.wire.random, site.wire
    outside = dice.random() < 0.3
    askers = [site.remote() for _ in range(dice.randint(2, 6))] if outside else [machine.host]
    backends = [each.host for each in site.part(machine, 1, 8, "server")]
    port, every = dice.choice((*_WEB_PORTS, 3000, 5000, 9000)), spread(dice, 1, 30)
    request, response = dice.choice(((0, 0), (dice.randint(60, 200), dice.randint(90, 400))))
    down, jitter = dice.choice((0.0, 0.0, 0.2, 0.5)), dice.choice((0.0, 0.002, 0.02))
    rounds = max(3, 150 // (len(askers) * len(backends)))
    for asker in askers:
        for backend in backends:
            at, dead = site.moment(), dice.random() < down
            for _ in range(rounds):
                tcp = Tcp(wire, at, asker, backend, port, "health check")
                if dead:
                    tcp.refused() if dice.random() < 0.6 else tcp.unanswered(1)
                elif request:
                    tcp.open().converse([(request, response)]).close(backend)
                else:
                    tcp.open()
                    tcp.reset(asker) if dice.random() < 0.5 else tcp.close()
                at += every * dice.uniform(1 - jitter, 1 + jitter)


def pass_on(site: Site, machine: Machine) -> None:
    """A reverse proxy: each visitor's question again to a backend, on a new line or a kept one."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    backends = [each.host for each in site.part(machine, 1, 5, "server")]
    port, inner = dice.choice(_WEB_PORTS), dice.choice((8080, 8000, 3000, 9000, 80, 443))
    rate, kept = spread(dice, 0.1, 15), dice.random() < 0.4
    lines = {each: Tcp(wire, at, machine.host, each, inner, "proxy").open() for each in backends}
    for _ in range(spread_int(dice, 4, 45)):
        at += dice.expovariate(rate)
        request, response = dice.randint(200, 1_400), min(30_000, int(dice.lognormvariate(7, 1.2)))
        tcp = Tcp(wire, at, site.remote(client=True), machine.host, port, _FAMILY).open()
        tcp.send(tcp.client, request)
        line = lines[dice.choice(backends)]
        if not kept:
            line = Tcp(wire, tcp.now, machine.host, line.server, inner, "proxy").open()
        line.wait(tcp.now)
        line.converse([(request + 60, response)])
        tcp.wait(line.now)
        tcp.send(machine.host, response)
        tcp.close()
        if not kept:
            line.close()


def answer_strangers(site: Site, machine: Machine) -> None:
    """Names, time or addresses for everybody who asks: one small datagram each, many askers."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    port = dice.choice(list(_ASKED))
    (least, most), answers = _ASKED[port]
    rate, again = spread(dice, 0.3, 40), dice.choice((1, 1, 2, 6))
    for asker in site.strangers(spread_int(dice, 15, 220)):
        at, later = at + dice.expovariate(rate), 0.0
        for _ in range(dice.randint(1, again)):
            sizes = dice.randint(least, most), dice.randint(*answers)
            ports = wire.port(asker), port
            question(wire, at + later, asker, machine.host, ports, sizes, _FAMILY)
            later += dice.expovariate(0.2)
        if port == 53 and dice.random() < 0.05:  # what does not fit comes again by TCP (RFC 7766)
            tcp = Tcp(wire, at + 0.2, asker, machine.host, 53, _FAMILY).open()
            tcp.converse([(dice.randint(32, 72), dice.randint(600, 3_000))]).close()


def hand_out(site: Site, machine: Machine) -> None:
    """An origin from which others' caches fetch, or a mirror: few visitors, long answers."""
    dice, wire, left = site.wire.random, site.wire, 500_000
    port = dice.choice((443, 80, 21, 873, 8080))
    for visitor in [
        site.remote(client=dice.random() < 0.5) for _ in range(spread_int(dice, 1, 12))
    ]:
        tcp = Tcp(wire, site.moment(), visitor, machine.host, port, _FAMILY).open()
        size = min(left, spread_int(dice, 2_000, 300_000))
        web.download(tcp, size + 100, spread(dice, 5e4, 1e7))
        left -= size
