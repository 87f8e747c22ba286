"""A desk's programs: mail and calendars, updates, remote desktops, printers, file servers."""

from __future__ import annotations

from training.gateway.synth.benign import files, web
from training.gateway.synth.benign.datagrams import question
from training.gateway.synth.benign.directory import connect_share
from training.gateway.synth.benign.login import remote_desktop
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host

_FAMILY = "office"
_SCREENS = {3389: (47, 19), 5900: (12, 12), 5938: (60, 40), 1494: (30, 40), 2598: (60, 60)}
"""Greetings of RDP, VNC, TeamViewer and Citrix's two."""


def groupware(site: Site, machine: Machine) -> None:
    """Mail, calendars and address books at once: many parallel connections, some held for news."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    client, servers = _suite(site, machine)
    think, held, rate = spread(dice, 0.1, 10), dice.uniform(0, 0.5), spread(dice, 0.5, 15)
    for _ in range(spread_int(dice, 4, 36)):
        at += dice.expovariate(rate)
        server = dice.choice(servers)
        if dice.random() < 0.5:
            tcp = web.tls_resumed(wire, at, client, server, _FAMILY, 443)
        else:
            tcp = web.tls(wire, at, client, server, _FAMILY)
        web.requests(tcp, dice.choice((0, 1, 1, 2, 5)), think, spread(dice, 200, 9_000))
        web.abandon(tcp, spread(dice, 20, 400) if dice.random() < held else spread(dice, 0.1, 60))


def _suite(site: Site, machine: Machine) -> tuple[Host, list[Host]]:
    """Where the office's programs live: always the same service, or a server of the house."""
    dice = site.wire.random
    server = site.role("mail server", "server")
    if server is not machine and dice.random() < 0.3:
        return machine.host, [server.host]
    return site.towards(machine, site.services[0])


def poll_mail(site: Site, machine: Machine) -> None:
    """Several accounts looked at, every so often, in plain or over TLS."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    client, servers = site.towards(machine, dice.choice(site.services))
    every, until = spread(dice, 20, 300), at + spread(dice, 60, 900)
    port, accounts = dice.choice((143, 993, 110, 995)), dice.randint(1, 5)
    while at < min(until, wire.end):
        for _ in range(accounts):
            tcp = Tcp(wire, at + dice.expovariate(3), client, servers[0], port, "mail").open()
            if port in (993, 995):
                web.tls_handshake(tcp)
            else:
                tcp.send(servers[0], dice.randint(30, 110))
            tcp.converse([(dice.randint(6, 60), dice.randint(10, 140)) for _ in range(5)])
            tcp.close(dice.choice((client, servers[0])))
        at += every * dice.uniform(0.97, 1.03)


def update(site: Site, machine: Machine) -> None:
    """An update service of the house or of the maker: long questions, then files in ranges."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server, port = site.role("update server", "server"), dice.choice((8530, 8531, 80))
    client, source = machine.host, server.host
    if server is machine or dice.random() < 0.5:
        client, servers = site.towards(machine, dice.choice(site.services))
        source, port = servers[0], dice.choice((80, 443))
    tcp = Tcp(wire, at, client, source, port, _FAMILY).open()
    for _ in range(dice.randint(1, 6)):
        tcp.converse([(spread_int(dice, 600, 20_000), spread_int(dice, 500, 30_000))], think=0.2)
    at = tcp.now
    tcp.close()
    rest, total = spread(dice, 0.02, 8), 0
    while total < 500_000 and at < wire.end and dice.random() < 0.93:
        size = spread_int(dice, 2_000, 120_000)
        ranged = Tcp(wire, at, client, source, port, _FAMILY).open()
        web.download(ranged, size, spread(dice, 5e4, 1e7))
        total, at = total + size, at + rest * dice.uniform(0.5, 1.5)


def share_updates(site: Site, machine: Machine) -> None:
    """Delivery optimisation: neighbours asked at port 7680 for what they have, many in vain."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    rate, left = spread(dice, 0.1, 10), 300_000
    peers = [each.host for each in site.part(machine, 2, 20, "desktop")]
    peers += site.strangers(dice.choice((0, 0, spread_int(dice, 2, 20))))
    for peer in peers:
        at += dice.expovariate(rate)
        tcp, fate = Tcp(wire, at, machine.host, peer, 7680, _FAMILY), dice.random()
        if fate < 0.3:
            tcp.unanswered(dice.randint(1, 3))
        elif fate < 0.6:
            tcp.refused()
        else:
            tcp.open().converse([(95, 95), (dice.randint(20, 200), dice.randint(20, 200))])
            size = min(left, spread_int(dice, 200, 100_000))
            tcp.send(dice.choice((machine.host, peer)), size + 50)
            left -= size
            tcp.close()


def work_remotely(site: Site, machine: Machine) -> None:
    """A desktop elsewhere for long: to another machine, out to the office, or in from home."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    desk, kind = site.another(machine, "desktop", "server").host, dice.random()
    far = site.remote(client=True)
    client, server = (
        (machine.host, desk) if kind < 0.5 else (machine.host, far) if kind < 0.8 else (far, desk)
    )
    port, until = dice.choice(list(_SCREENS)), min(wire.end, at + spread(dice, 10, 600))
    if port == 3389 and dice.random() < 0.5:
        remote_desktop(wire, at, client, server, min(60.0, until - at), _FAMILY)
        return
    tcp = Tcp(wire, at, client, server, port, _FAMILY).open().converse([_SCREENS[port]])
    tcp = web.tls_handshake(tcp) if dice.random() < 0.7 else tcp.converse([(16, 24), (1, 4)])
    active, screen = spread(dice, 0.1, 8), spread(dice, 200, 6_000)
    for _ in range(spread_int(dice, 10, 120)):
        if tcp.now > until:
            break
        for _ in range(dice.randint(0, 4)):
            tcp.send(client, dice.randint(8, 130))
            tcp.pause(dice.uniform(0.02, 0.2))
        tcp.send(server, min(30_000, int(screen * dice.lognormvariate(0, 1.1)) + 20))
        tcp.pause(dice.expovariate(1 / active))
    if dice.random() < 0.6:
        tcp.close(dice.choice((client, server)))


def print_raw(site: Site, machine: Machine) -> None:
    """A document to a printer's own port (9100, or LPD's 515), and its state asked by SNMP."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    printer = site.role("printer", "printer").host
    if printer is machine.host:
        return
    every, source = spread(dice, 0.5, 15), wire.port(machine.host)
    for nth in range(spread_int(dice, 2, 30)):
        size, asleep = dice.randint(40, 90), dice.random() < 0.05
        answer = 0 if asleep else size + dice.randint(2, 40)
        ports = source, 161
        question(wire, at + nth * every, machine.host, printer, ports, (size, answer), _FAMILY)
    if dice.random() < 0.7:
        tcp = Tcp(wire, at, machine.host, printer, dice.choice((9100, 9100, 515)), _FAMILY).open()
        tcp.send(machine.host, spread_int(dice, 5_000, 400_000), rate=spread(dice, 1e5, 8e6))
        tcp.close()


def mount_shares(site: Site, machine: Machine) -> None:
    """File servers visited, one or all of them, each kept open for a while."""
    dice, at = site.wire.random, site.moment()
    for each in site.part(machine, 1, 7, "server"):
        connect_share(site, at, machine.host, each.host, spread_int(dice, 1, 30))
        at += spread(dice, 0.02, 40)


def save_often(site: Site, machine: Machine) -> None:
    """A share opened anew for each document: many short sessions at one server."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server, every = site.role("file server", "server"), spread(dice, 0.3, 30)
    if server is machine:
        return
    for _ in range(spread_int(dice, 3, 30)):
        reads = [dice.choice((-1, 1)) * spread_int(dice, 100, 20_000)]
        files.file_share(wire, at, machine.host, server.host, reads, _FAMILY, (0.01, 0.5))
        at += every * dice.uniform(0.3, 1.7)
