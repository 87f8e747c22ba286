"""Telephones and calls: registrations on a clock, ways tried, sound and pictures."""

from __future__ import annotations

from training.gateway.synth.benign.datagrams import media, question
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.icmp import unreachable
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host

_FAMILY = "voip"
_SIP = 5060
_TRIES = (0.0, 0.5, 1.5, 3.5, 7.5, 11.5)  # s; T1 doubled up to T2 (RFC 3261, 17.1.2.2)


def register(site: Site, machine: Machine) -> None:
    """Phones tell one or more proxies where they are, are challenged, and come again in time."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    exchange = site.role("exchange", "server")
    phones = [machine, *site.part(machine, 1, 12)][: dice.choice((1, 1, 3, 13))]
    proxies = [site.remote() for _ in range(dice.choice((1, 1, 2, 6)))]
    if dice.random() < 0.4:
        proxies = [exchange.host]
    every, dead, challenged = spread(dice, 5, 120), dice.uniform(0, 0.6), dice.random() < 0.7
    silent = {proxy for proxy in proxies[1:] if dice.random() < dead}
    for phone in [each for each in phones if each.host not in proxies]:
        port = dice.choice((_SIP, wire.port(phone.host)))
        begun, ports = at + dice.uniform(0, every), (port, _SIP)
        for _ in range(dice.randint(1, 8)):
            for proxy in proxies:
                _register_once(site, begun, phone.host, proxy, ports, challenged, proxy in silent)
            begun += every * dice.uniform(0.95, 1.0)


def _register_once(
    site: Site,
    at: float,
    phone: Host,
    proxy: Host,
    ports: tuple[int, int],
    challenged: bool,
    dead: bool,
) -> None:
    dice, wire, size = site.wire.random, site.wire, site.wire.random.randint(380, 620)
    if dead:
        for wait in _TRIES[: dice.randint(1, 6)]:
            wire.datagram(at + wait, phone, proxy, ports, size, _FAMILY)
        return
    for nth in range(1 + challenged):
        sizes = size + 180 * nth, dice.randint(330, 520)
        at = question(wire, at, phone, proxy, ports, sizes, _FAMILY) + 0.005


def keep_trunks(site: Site, machine: Machine) -> None:
    """An exchange asks its phones and trunks whether they are there (OPTIONS), on a clock."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    every, off = spread(dice, 2, 60), dice.uniform(0, 0.3)
    asked = [each.host for each in site.part(machine, 1, 15)]
    asked += [site.remote() for _ in range(dice.randint(0, 6))]
    silent = {host for host in asked if dice.random() < off}
    for nth in range(dice.randint(1, max(2, 150 // len(asked)))):
        for host in asked:
            begun, size = at + nth * every, dice.randint(320, 520)
            answer = 0 if host in silent else size + dice.randint(-60, 90)
            ports = _SIP, _SIP
            late = question(wire, begun, machine.host, host, ports, (size, answer), _FAMILY)
            if not answer and dice.random() < 0.3:
                unreachable(wire, late, host, machine.host, size, _FAMILY)


def telephone(site: Site, machine: Machine) -> None:
    """A call set up by SIP over UDP or TCP, with any of the usual codecs, some of it at rest."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    proxy, peer = site.remote(), site.remote(client=dice.random() < 0.5)
    if dice.random() < 0.3:
        peer = site.another(machine).host
    invite, rings = dice.randint(700, 1_300), dice.uniform(1, 20)
    if dice.random() < 0.7:
        ports = _SIP, _SIP
        question(wire, at, us, proxy, ports, (invite, dice.randint(300, 500)), _FAMILY)
        wire.datagram(at + 0.2, proxy, us, ports, dice.randint(400, 600), _FAMILY)
        wire.datagram(at + rings, proxy, us, ports, dice.randint(700, 1_200), _FAMILY)
        wire.datagram(at + rings + 0.01, us, proxy, ports, dice.randint(380, 480), _FAMILY)
    else:
        tcp = Tcp(wire, at, us, proxy, dice.choice((_SIP, 5061)), _FAMILY).open()
        tcp.converse([(invite, dice.randint(300, 500))])
        tcp.pause(rings)
        tcp.converse([(0, dice.randint(700, 1_200)), (dice.randint(380, 480), 0)])
    if dice.random() < 0.25:  # nobody at home
        return
    every, size = dice.choice(((0.02, 172), (0.02, 72), (0.03, 62), (0.02, 132), (0.06, 190)))
    ports = 2 * dice.randint(5_000, 30_000), 2 * dice.randint(5_000, 30_000)
    until, sizes = at + rings + spread(dice, 2, 8), (size - dice.choice((0, 0, 40)), size)
    media(wire, at + rings, until, (us, peer), ports, every, sizes, dice.random() < 0.85, _FAMILY)
    control = ports[0] + 1, ports[1] + 1
    question(wire, at + rings + 1, us, peer, control, (dice.randint(40, 100), 60), _FAMILY)


def find_ways(site: Site, machine: Machine) -> None:
    """ICE (RFC 8445): servers asked for addresses, then every pair of candidates tried."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    sources = [wire.port(us) for _ in range(dice.randint(1, 4))]
    for server in [site.remote() for _ in range(dice.randint(1, 6))]:
        for source in sources:
            port = dice.choice((3478, 3478, 19_302, 5349))
            sizes = dice.choice((20, 28)), dice.choice((0, 32, 68, 104))
            question(wire, at + dice.uniform(0, 0.3), us, server, (source, port), sizes, "call")
    every, at = dice.choice((0.02, 0.05, 0.1)), at + dice.uniform(0.2, 2)
    for candidate in site.strangers(spread_int(dice, 2, 14)):
        for source in sources:
            ports, size = (source, dice.randint(1024, 65535)), dice.randint(80, 130)
            for again in range(dice.randint(1, 4)):
                wire.datagram(at + again * 0.5, us, candidate, ports, size, "call")
            at += every
    chosen, ports = site.remote(client=True), (sources[0], dice.randint(1024, 65535))
    until, least = at + spread(dice, 1, 8), dice.randint(60, 900)
    media(wire, at, until, (us, chosen), ports, spread(dice, 0.01, 0.06), (least, 1_180), True)
    for nth in range(dice.randint(0, 20)):
        question(wire, until + 2.5 * nth, us, chosen, ports, (100, 80), "call")
