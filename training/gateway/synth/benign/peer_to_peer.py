"""Peer to peer: many strangers are asked, many of them long gone, and a few carry it all."""

from __future__ import annotations

from random import Random

from training.gateway.synth.benign.datagrams import question
from training.gateway.synth.benign.web import requests
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.icmp import unreachable
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host

_FAMILY = "p2p"
_SWARM_PORTS = (6881, 6882, 6889, 51413, 16881, 49160)
_GNUTELLA_PORTS = (6346, 6346, 6347)
_NODE_PORTS = (8333, 18080, 30303, 4001, 22000, 9735)  # Bitcoin, Monero, Ethereum, IPFS and others
_TRACKER_PORTS = (80, 80, 6969, 6969, 1337, 2710)
_MOST_CARRIED = 500_000  # bytes of an occasion's bulk, so that a capture holds more than one


def _port(dice: Random, usual: tuple[int, ...]) -> int:
    """A peer's: the protocol's usual one, a registered or a dynamic one."""
    return dice.choice(
        (dice.choice(usual), dice.randint(1024, 65_535), dice.randint(10_000, 65_535))
    )


def gossip(site: Site, machine: Machine) -> None:
    """A distributed hash table: one port asks up to hundreds, of whom many never answer."""
    dice, at = site.wire.random, site.moment()
    ours, rate = _port(dice, _SWARM_PORTS), spread(dice, 0.3, 50)
    gone, inward = dice.uniform(0.1, 0.85), dice.choice((0.0, dice.uniform(0, 0.6)))
    sizes = spread_int(dice, 20, 140), spread_int(dice, 40, 420)
    for peer in site.strangers(spread_int(dice, 15, 260)):
        at += dice.expovariate(rate)
        ports = ours, _port(dice, _SWARM_PORTS)
        if dice.random() < inward:
            _ask_peer(site, at, (peer, machine.host), (ports[1], ports[0]), sizes, 0.02)
        else:
            _ask_peer(site, at, (machine.host, peer), ports, sizes, gone)


def _ask_peer(
    site: Site,
    at: float,
    ends: tuple[Host, Host],
    ports: tuple[int, int],
    sizes: tuple[int, int],
    gone: float,
) -> None:
    """One to three questions; who has gone says nothing, and seldom their router says so."""
    dice, wire, is_gone = site.wire.random, site.wire, site.wire.random.random() < gone
    for _ in range(dice.choice((1, 1, 2, 3))):
        ask = sizes[0] + dice.randint(0, 40)
        answer = 0 if is_gone else sizes[1] + dice.randint(0, 120)
        late = question(wire, at, *ends, ports, (ask, answer), _FAMILY)
        if is_gone and dice.random() < 0.06:
            unreachable(wire, late, ends[1], ends[0], ask, _FAMILY)
        at = late + dice.expovariate(0.4)


def swarm(site: Site, machine: Machine) -> None:
    """A torrent: peers dialled and dialling, most in vain, some idle, a few that carry pieces."""
    _dial_many(site, machine, _SWARM_PORTS, (68, 68))


def gnutella(site: Site, machine: Machine) -> None:
    """Hubs and leaves: a handshake of headers, searches, and hosts that were cached long ago."""
    dice = site.wire.random
    _dial_many(site, machine, _GNUTELLA_PORTS, (dice.randint(180, 600), dice.randint(200, 900)))


def _dial_many(
    site: Site, machine: Machine, usual: tuple[int, ...], greeting: tuple[int, int]
) -> None:
    dice, at = site.wire.random, site.moment()
    ours, rate = _port(dice, usual), spread(dice, 0.15, 30)
    gone, refuse = dice.uniform(0.15, 0.85), dice.uniform(0, 0.4)
    inward = dice.choice((0.0, dice.uniform(0, 0.7)))
    carriers, peers = dice.randint(0, 4), site.strangers(spread_int(dice, 8, 140))
    for nth, peer in enumerate(peers):
        at += dice.expovariate(rate)
        comes, fate = dice.random() < inward, dice.random()
        ends = (peer, machine.host) if comes else (machine.host, peer)
        tcp = Tcp(site.wire, at, *ends, ours if comes else _port(dice, usual), _FAMILY)
        if not comes and fate < gone:
            tcp.refused() if dice.random() < refuse else tcp.unanswered(dice.randint(1, 4))
            continue
        tcp.open().converse([greeting])
        if nth % max(1, len(peers) // (carriers + 1)) == 0 and carriers:
            _carry(tcp, _MOST_CARRIED // carriers)
        _linger(tcp)


def _carry(tcp: Tcp, most: int) -> None:
    """Pieces of 16 KiB either way (BEP 3), as fast as the slower side's line."""
    dice, rate = tcp.wire.random, spread(tcp.wire.random, 3e4, 5e6)
    left, up = spread_int(dice, 20_000, most), dice.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    while left > 0 and tcp.now < tcp.wire.end:
        one, other = (tcp.server, tcp.client) if dice.random() < up else (tcp.client, tcp.server)
        tcp.send(one, 17)
        tcp.send(other, 16_397, rate=rate)
        left -= 16_397


def _linger(tcp: Tcp) -> None:
    """Announcements of pieces and keep-alives, until one side has had enough."""
    dice, every = tcp.wire.random, spread(tcp.wire.random, 0.5, 120)
    for _ in range(dice.choice((0, 1, 3, 9))):
        sender = dice.choice((tcp.client, tcp.server))
        tcp.send(sender, dice.choice((4, 5, 9, dice.randint(5, 300))))
        tcp.pause(dice.expovariate(1 / every))
    end = dice.random()
    if end < 0.5:
        tcp.close(dice.choice((tcp.client, tcp.server)))
    elif end < 0.8:
        tcp.reset(dice.choice((tcp.client, tcp.server)))


def micro_transport(site: Site, machine: Machine) -> None:
    """Pieces over UDP (BEP 29): SYNs of 20 bytes, many unanswered, then full datagrams."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    ours, rate, gone = _port(dice, _SWARM_PORTS), spread(dice, 0.3, 15), dice.uniform(0.2, 0.8)
    most = 240
    for peer in site.strangers(spread_int(dice, 5, 80)):
        at += dice.expovariate(rate)
        ports = ours, _port(dice, _SWARM_PORTS)
        if dice.random() < gone:
            for tries in range(dice.randint(1, 3)):
                wire.datagram(at + 3 * tries, machine.host, peer, ports, 20, _FAMILY)
            continue
        late = question(wire, at, machine.host, peer, ports, (20, 20), _FAMILY)
        most -= _stream(site, late, machine.host, peer, ports, max(2, most))


def _stream(site: Site, at: float, us: Host, peer: Host, ports: tuple[int, int], most: int) -> int:
    """Datagrams one way, acknowledgements the other; returns how many."""
    dice, wire, count = site.wire.random, site.wire, spread_int(site.wire.random, 2, most)
    ends, pair = ((us, peer), ports) if dice.random() < 0.5 else ((peer, us), (ports[1], ports[0]))
    rate, size = spread(dice, 3, 600), dice.randint(600, 1_402)
    for nth in range(count):
        wire.datagram(at, *ends, pair, size, _FAMILY)
        if nth % 2:
            late, back = at + wire.lag(ends[1]), (pair[1], pair[0])
            wire.datagram(late, ends[1], ends[0], back, dice.choice((20, 26, 30)), _FAMILY)
        at += dice.expovariate(rate)
    return count


def announce(site: Site, machine: Machine) -> None:
    """Trackers told of what is shared, over UDP (BEP 15) or HTTP, again and again."""
    dice, wire = site.wire.random, site.wire
    rounds, every = dice.randint(1, 4), spread(dice, 20, 600)
    for tracker in [site.remote() for _ in range(spread_int(dice, 1, 25))]:
        at, port, dead = site.moment(), dice.choice(_TRACKER_PORTS), dice.random() < 0.45
        for _ in range(rounds):
            at += every * dice.uniform(0.9, 1.1)
            if dice.random() < 0.6:
                _announce_by_datagram(site, at, machine.host, tracker, port, dead)
            elif dead:
                Tcp(wire, at, machine.host, tracker, port, _FAMILY).unanswered(dice.randint(1, 4))
            else:
                tcp = Tcp(wire, at, machine.host, tracker, port, _FAMILY).open()
                tcp.converse([(dice.randint(220, 480), dice.randint(100, 1_600))]).close()


def _announce_by_datagram(
    site: Site, at: float, client: Host, tracker: Host, port: int, dead: bool
) -> None:
    """Connect, then announce; who hears nothing asks again after 15, then 30 seconds."""
    dice, wire, ports = site.wire.random, site.wire, (site.wire.port(client), port)
    if dead:
        for wait in (0, 15, 45)[: dice.randint(1, 3)]:
            wire.datagram(at + wait, client, tracker, ports, 16, _FAMILY)
        return
    late = question(wire, at, client, tracker, ports, (16, 16), _FAMILY)
    answer = 20 + 6 * dice.randint(0, 200)
    question(wire, late + 0.001, client, tracker, ports, (98, answer), _FAMILY)


def map_port(site: Site, machine: Machine) -> None:
    """The gateway asked to let peers in: NAT-PMP or PCP (RFC 6886, 6887), or UPnP's SOAP."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    if dice.random() < 0.5:
        ports, heard = (wire.port(us), 5351), dice.random() < 0.6
        for nth in range(dice.randint(1, 3) if heard else dice.randint(2, 9)):
            size = dice.choice((2, 12, 60))
            question(wire, at, us, site.gateway, ports, (size, (size + 8) * heard), _FAMILY)
            at += dice.uniform(0.1, 1) if heard else 0.25 * 2**nth  # doubled (RFC 6886, 3.1)
        return
    port = dice.choice((5000, 1900, 49152, dice.randint(1024, 65535)))
    for _ in range(dice.randint(2, 10)):
        tcp = Tcp(wire, at, us, site.gateway, port, _FAMILY).open()
        tcp.converse([(dice.randint(180, 1_100), dice.randint(250, 4_000))]).close(site.gateway)
        at = tcp.now + dice.expovariate(3)


def keep_node(site: Site, machine: Machine) -> None:
    """A full node of some ledger or store: few long neighbours, small news, old addresses tried."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    port, every, gone = dice.choice(_NODE_PORTS), spread(dice, 0.7, 40), dice.uniform(0.2, 0.8)
    rate = spread(dice, 0.1, 8)
    for peer in site.strangers(spread_int(dice, 4, 50)):
        at += dice.expovariate(rate)
        comes = dice.random() < 0.2
        ends = (peer, machine.host) if comes else (machine.host, peer)
        tcp = Tcp(wire, at, *ends, port, _FAMILY)
        if not comes and dice.random() < gone:
            tcp.unanswered(dice.randint(1, 3)) if dice.random() < 0.8 else tcp.refused()
            continue
        tcp.open().converse([(dice.randint(100, 420), dice.randint(100, 420)), (24, 24)])
        until = min(wire.end, tcp.now + spread(dice, 5, 12 * every))
        while tcp.now < until:
            sender = dice.choice((tcp.client, tcp.server))
            tcp.send(sender, dice.choice((32, 61, 61, 97, spread_int(dice, 100, 12_000))))
            tcp.pause(dice.expovariate(1 / every))


def fetch_from_peer(site: Site, machine: Machine) -> None:
    """A file straight from one stranger, over HTTP at a port of its own, in ranges."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    peer, port = site.remote(client=True), _port(dice, _GNUTELLA_PORTS)
    for _ in range(dice.randint(1, 8)):
        tcp = Tcp(wire, at, machine.host, peer, port, _FAMILY).open()
        requests(
            tcp, dice.randint(1, 3), spread(dice, 0.05, 3), spread(dice, 2_000, 60_000)
        ).close()
        at = tcp.now + dice.expovariate(1)
