"""What people do: each function draws one occasion of a habit for one machine."""

from __future__ import annotations

from training.gateway.synth.benign import datagrams, mail, names, web
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Service, Site
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host

_MAIL_PORTS = (587, 587, 465, 25)
_GAME_PORTS = (3074, 27015, 27036, 7777, 5000, 9000)
_VPN_PORTS = (51820, 1194, 4500, 443)


def browse(site: Site, machine: Machine) -> None:
    """A visit: names, then pages over whatever the site speaks."""
    dice, service = site.wire.random, site.wire.random.choice(site.services)
    client, servers = site.towards(machine, service)
    at = look_up(site, machine, service, site.moment()) + dice.uniform(0.001, 0.02)
    for _ in range(spread_int(dice, 1, 10) - 1):  # what the page names, and prefetches
        look_up(site, machine, dice.choice(site.services), at + dice.expovariate(3))
    kind = dice.random()
    if kind < 0.3:
        web.web_page(site.wire, at, client, servers, (0.5, dice.uniform(5, 120)))
    elif kind < 0.5:
        web.quic_page(site.wire, at, client, servers[0], dice.randint(1, 8))
    else:
        for server in servers:
            _visit(site, at, client, server)
            at += dice.expovariate(4)


def _visit(site: Site, at: float, client: Host, server: Host) -> None:
    dice, wire = site.wire.random, site.wire
    port = dice.choice((443, 443, 443, 80, 80, 8080, 8443))
    if port in (80, 8080):
        tcp = Tcp(wire, at, client, server, port, "web").open()
    elif dice.random() < 0.4:
        tcp = web.tls_resumed(wire, at, client, server, "web", port)
    else:
        tcp = web.tls(wire, at, client, server, "web", port)
    think, median = spread(dice, 0.05, 20), spread(dice, 300, 9_000)
    web.abandon(web.requests(tcp, spread_int(dice, 1, 12), think, median), spread(dice, 0.1, 100))


def look_up(site: Site, machine: Machine, service: Service, at: float) -> float:
    """The site's names, sometimes both kinds of address, sometimes slowly; returns when."""
    dice, wire = site.wire.random, site.wire
    within = (0.2, 3.0) if dice.random() < 0.08 else (0.001, spread(dice, 0.01, 0.15))
    server = service.servers[0]
    if machine.ipv6 and dice.random() < 0.7:
        name, six = service.name, service.servers6[0].ip
        names.dns(wire, at, machine.host, site.resolver, name, six, within)
    return names.dns(wire, at, machine.host, site.resolver, service.name, server.ip, within)


def mistype(site: Site, machine: Machine) -> None:
    """Names that do not exist, as search domains and typing errors make them."""
    at, dice = site.moment(), site.wire.random
    for _ in range(dice.randint(1, 5)):
        name = f"{dice.getrandbits(24):x}.{dice.choice(site.services).name}"
        at = names.no_such_name(site.wire, at, machine.host, site.resolver, name)


def deaf_resolver(site: Site, machine: Machine) -> None:
    """A resolver that is configured and down."""
    dice, dead, at = site.wire.random, site.remote(), site.moment()
    for _ in range(dice.randint(1, 6)):
        name = dice.choice(site.services).name
        names.unanswered(site.wire, at, machine.host, dead, name, dice.randint(1, 3))
        at += dice.expovariate(0.2)


def tabs(site: Site, machine: Machine) -> None:
    """A browser that opens everything at once: many connections in a second or two."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    for _ in range(spread_int(dice, 8, 40)):
        service = dice.choice(site.services)
        client, servers = site.towards(machine, service)
        server, begun = dice.choice(servers), at + dice.expovariate(1)
        if dice.random() < 0.1:
            Tcp(wire, begun, client, server, 443, "web").unanswered(2)
            continue
        tcp = web.tls_resumed(wire, begun, client, server, "web", 443)
        web.abandon(web.requests(tcp, dice.randint(0, 2), 0.2, 600), dice.expovariate(0.1))


def watch(site: Site, machine: Machine) -> None:
    """A stream, of which a part is seen."""
    dice, service = site.wire.random, site.wire.random.choice(site.services)
    client, servers = site.towards(machine, service)
    at, every, size = site.moment(), dice.uniform(2, 10), spread_int(dice, 8_000, 120_000)
    chunks = min(12, max(2, 600_000 // size))
    rate = spread(dice, 5e5, 2e7)
    web.video(site.wire, at, client, servers[0], chunks, every, (size, round(1.5 * size)), rate)


def fetch(site: Site, machine: Machine) -> None:
    """A download or an update."""
    dice, wire = site.wire.random, site.wire
    client, servers = site.towards(machine, dice.choice(site.services))
    at, port = site.moment(), dice.choice((443, 443, 80))
    tcp = Tcp(wire, at, client, servers[0], port, "download").open()
    if port == 443:
        web.tls_handshake(tcp)
    web.download(tcp, spread_int(dice, 60_000, 1_500_000), spread(dice, 2e5, 1e7))


def post(site: Site, machine: Machine) -> None:
    """Mail fetched, or sent with whatever is attached."""
    dice, wire = site.wire.random, site.wire
    client, servers = site.towards(machine, dice.choice(site.services))
    if dice.random() < 0.7:
        mail.mail_fetch(wire, site.moment(), client, servers[0])
    else:
        port, size = dice.choice(_MAIL_PORTS), spread_int(dice, 900, 300_000)
        mail.mail_send(wire, site.moment(), client, servers[0], size, port)


def talk(site: Site, machine: Machine) -> None:
    """A call, with or without pictures, straight to the peer or through a relay."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    peer = site.remote(client=dice.random() < 0.5)
    ends, until = (machine.host, peer), at + spread(dice, 3, 12)
    ports = wire.port(machine.host), dice.choice((3478, 8801, 19305, dice.randint(10_000, 65_000)))
    datagrams.media(
        wire, at, until, ends, ports, dice.choice((0.02, 0.03, 0.06)), (40, 172), both=True
    )
    if dice.random() < 0.5:
        picture = wire.port(machine.host), ports[1]
        least = dice.randint(300, 900)
        datagrams.media(
            wire, at, until, ends, picture, spread(dice, 0.01, 0.05), (least, 1_180), both=True
        )


def play(site: Site, machine: Machine) -> None:
    """A game, for a while."""
    dice, at = site.wire.random, site.moment()
    port = dice.choice((*_GAME_PORTS, dice.randint(1024, 65535)))
    until = at + spread(dice, 10, 50)
    datagrams.game(site.wire, at, until, machine.host, site.remote(), port)


def tunnel(site: Site, machine: Machine) -> None:
    """Everything through a VPN."""
    dice, at = site.wire.random, site.moment()
    until, port = at + spread(dice, 20, 400), dice.choice(_VPN_PORTS)
    server = site.remote()
    datagrams.tunnel(site.wire, at, until, machine.host, server, port, spread(dice, 0.5, 15))
