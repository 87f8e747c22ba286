"""Tunnels: whatever passes inside, a long line of which only lengths and times are seen."""

from __future__ import annotations

from typing import Final

from training.gateway.synth.benign import web
from training.gateway.synth.benign.datagrams import question
from training.gateway.synth.benign.login import ssh_greet
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host

_FAMILY = "vpn"
_STREAM_PORTS: Final = (443, 443, 1194, 4433, 8443, 9001, 992, 5555)
_DATAGRAM_PORTS: Final = (500, 1194, 1701, 4500, 443, 51820)
_GREETINGS: Final = {
    500: ((300, 320), (280, 260), (1_300, 1_200)),  # IKEv2 (RFC 7296, 1.2)
    4500: ((350, 340), (1_400, 1_300)),
    1194: ((54, 66), (62, 1_200), (300, 1_200), (500, 400)),
    1701: ((110, 110), (20, 12)),
    443: ((200, 60), (220, 1_200), (400, 75)),  # DTLS
    51820: ((148, 92),),
}


def tunnel_by_datagram(site: Site, machine: Machine) -> None:
    """IPsec, OpenVPN, L2TP, DTLS or WireGuard, from a person or from site to site, either way."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    port, far = dice.choice(_DATAGRAM_PORTS), site.remote(client=dice.random() < 0.3)
    inside = site.gateway if dice.random() < 0.3 else machine.host
    client, server = (far, inside) if dice.random() < 0.35 else (inside, far)
    ports = (port if dice.random() < 0.5 else wire.port(client), port)
    for sizes in _GREETINGS[port]:
        at = question(wire, at, client, server, ports, sizes, _FAMILY) + 0.01
    if port == 500 and dice.random() < 0.7:  # behind address translation (RFC 3948)
        ports = (4500 if ports[0] == 500 else wire.port(client), 4500)
    _pass_datagrams(site, at, client, server, ports)


def _pass_datagrams(
    site: Site, at: float, client: Host, server: Host, ports: tuple[int, int]
) -> None:
    """Bursts both ways, and between them keep-alives, until the capture ends or for a while."""
    dice, wire = site.wire.random, site.wire
    every, beat, burst = spread(dice, 0.3, 30), dice.choice((1, 32, 40, 96)), spread(dice, 1, 25)
    directions = ((client, server, ports), (server, client, (ports[1], ports[0])))
    down, most, sent = dice.uniform(0.1, 0.9), dice.choice((1_300, 1_400, 1_452)), 0
    while at < wire.end and sent < 500:
        if dice.random() < 0.4:
            wire.datagram(at, client, server, ports, beat, _FAMILY)
        for _ in range(round(burst * dice.expovariate(1))):
            sender, receiver, pair = directions[dice.random() < down]
            size = dice.choice((most, dice.randint(60, most), dice.randint(60, 160)))
            wire.datagram(at, sender, receiver, pair, size, _FAMILY)
            at, sent = at + dice.expovariate(400), sent + 1
        at, sent = at + dice.expovariate(1 / every), sent + 1


def tunnel_by_stream(site: Site, machine: Machine) -> None:
    """The same through one TLS connection: OpenVPN, SSTP, onion routing, remote access."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    far = site.remote()
    client, server = (
        (site.remote(client=True), machine.host) if dice.random() < 0.2 else (machine.host, far)
    )
    tcp = web.tls(wire, at, client, server, _FAMILY, dice.choice(_STREAM_PORTS))
    _pass_messages(tcp, dice.choice((536, 514, 1_400)))


def tunnel_by_ssh(site: Site, machine: Machine) -> None:
    """Ports forwarded through a session that is kept open, often to a rented machine."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    inward = dice.random() < 0.3
    client, server = (
        (site.remote(client=True), machine.host) if inward else (machine.host, site.remote())
    )
    tcp = ssh_greet(Tcp(wire, at, client, server, dice.choice((22, 22, 443, 2222)), _FAMILY).open())
    _pass_messages(tcp.converse(((500, 28), (112, 500), (120, 50))), 76)


def _pass_messages(tcp: Tcp, cell: int) -> None:
    """Cells of one size and bursts, either way, with keep-alives while there is nothing to say."""
    dice, wire = tcp.wire.random, tcp.wire
    every, quiet, up = spread(dice, 0.3, 40), dice.uniform(0.1, 0.9), dice.uniform(0.1, 0.9)
    interval, left = spread(dice, 5, 60), 300_000
    until = min(wire.end, tcp.now + spread(dice, 60, 900))
    while tcp.now < until and left > 0:
        if dice.random() < quiet:
            tcp.pause(interval)
            tcp.converse([(cell, cell)])
            continue
        size = cell * spread_int(dice, 1, 30)
        tcp.send(tcp.client if dice.random() < up else tcp.server, size)
        left -= size
        tcp.pause(dice.expovariate(1 / every))
    if dice.random() < 0.4:
        tcp.close(dice.choice((tcp.client, tcp.server)))


def mesh(site: Site, machine: Machine) -> None:
    """A mesh: relays asked for one's address, then peers' every address tried; few paths work."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    ports = wire.port(machine.host), 3478
    for relay in [site.remote() for _ in range(spread_int(dice, 2, 20))]:
        sizes = dice.randint(20, 60), dice.choice((0, 32, 60, 60))
        question(wire, at + dice.expovariate(20), machine.host, relay, ports, sizes, _FAMILY)
    gone, every, rate = dice.uniform(0.3, 0.9), spread(dice, 0.5, 10), spread(dice, 0.3, 10)
    for peer in site.strangers(spread_int(dice, 2, 40)):
        at += dice.expovariate(rate)
        pair = ports[0], dice.choice((41641, dice.randint(1024, 65535)))
        answers = 0 if dice.random() < gone else 1
        for nth in range(dice.randint(1, 5)):
            sizes = dice.randint(90, 170), answers * dice.randint(90, 170)
            question(wire, at + nth * every, machine.host, peer, pair, sizes, _FAMILY)
