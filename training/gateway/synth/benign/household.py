"""What machines do by themselves or for the house: each function draws one occasion."""

from __future__ import annotations

from training.gateway.synth.benign import files, lan, login, names, things
from training.gateway.synth.benign.crowd import monitoring, retrying
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.icmp import echo
from training.gateway.synth.machines import Machine, things_report
from training.gateway.synth.site import Site
from training.gateway.synth.wire import Host

_PUSH_PORTS = (443, 443, 5222, 5223, 5228, 8883, 8443)
_POLL_PORTS = (443, 443, 443, 80, 80, 8080, 8443, 1883)
_BACKUP_PORTS = (443, 443, 22, 873, 8443)
_ANNOUNCED = ("_http._tcp.local", "_smb._tcp.local", "_ipp._tcp.local", "_airplay._tcp.local")


def live(site: Site, machine: Machine) -> None:
    """ARP, clock and discovery, as often as the machine's system does them."""
    dice, wire, host = site.wire.random, site.wire, machine.host
    clock_server = dice.choice((site.gateway, dice.choice(site.services).servers[0]))
    at, every, talkative = dice.uniform(0, 120), spread(dice, 60, 900), dice.random()
    while at < wire.end:
        lan.resolve_mac(wire, at, host, site.gateway)
        names.dns(wire, at + 1, host, site.resolver, "time.example", clock_server.ip)
        lan.clock(wire, at + dice.uniform(1, 2), host, clock_server)
        if dice.random() < talkative:
            _look_around(site, machine, at + 3)
        at += every * dice.uniform(0.5, 1.5)


def _look_around(site: Site, machine: Machine, at: float) -> None:
    """A few questions to everybody, a second or so apart."""
    dice, wire, host = site.wire.random, site.wire, machine.host
    kind, port = dice.choice(("mdns", "ssdp", "llmnr")), wire.port(host)
    for _ in range(dice.randint(1, 4)):
        if kind == "mdns":
            lan.announce(
                wire, at, dice.choice((host, machine.ipv6 or host)), dice.choice(_ANNOUNCED)
            )
        elif kind == "ssdp":
            lan.discover(wire, at, host, port)
        else:
            lan.shout(wire, at, host)
        at += dice.uniform(0.3, 3)


def report(site: Site, machine: Machine) -> None:
    """Telemetry on a clock: over one connection or over one each time."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    client, servers = site.towards(machine, dice.choice(site.services))
    every, until = spread(dice, 4, 180), min(wire.end, at + spread(dice, 60, 1200))
    jitter = dice.choice((0.001, 0.01, 0.05, 0.2, 0.4))
    if dice.random() < 0.5:
        port = dice.choice((8883, 1883, 443, 8443))
        size = things_report(dice)
        things.telemetry(wire, at, until, client, servers[0], every, jitter * every, size, port)
    else:
        port = dice.choice((*_POLL_PORTS, dice.randint(1024, 49151)))
        things.polling(wire, at, until, client, dice.choice(servers), every, jitter, port)


def listen(site: Site, machine: Machine) -> None:
    """A push channel, open all day."""
    dice, wire = site.wire.random, site.wire
    client, servers = site.towards(machine, dice.choice(site.services))
    port = dice.choice(_PUSH_PORTS)
    every = spread(dice, 8, 90)
    things.push_channel(wire, site.moment(), wire.end, client, servers[0], port, every)


def back_up(site: Site, machine: Machine) -> None:
    """A long upload, to the cloud or to the house's own store."""
    dice, wire = site.wire.random, site.wire
    if dice.random() < 0.35:
        client, server = machine.host, site.another(machine, "server").host
    else:
        client, servers = site.towards(machine, dice.choice(site.services))
        server = dice.choice((servers[0], site.remote())) if ":" not in client.ip else servers[0]
    size, block = spread_int(dice, 60_000, 1_200_000), spread_int(dice, 4_000, 130_000)
    rest = spread(dice, 0.02, 4)
    rate, port = spread(dice, 2e5, 1e7), dice.choice(_BACKUP_PORTS)
    at, blocks = site.moment(), (block // 2, block)
    files.backup(wire, at, client, server, size, port, blocks, (rest / 4, rest * 2), rate)


def open_share(site: Site, machine: Machine) -> None:
    """Files read and written on the house's store."""
    dice, wire, store = site.wire.random, site.wire, site.another(machine, "server", "desktop")
    if dice.random() < 0.3:
        files.nfs(wire, site.moment(), machine.host, store.host, spread_int(dice, 6, 60))
        return
    client, server = machine.host, store.host
    if machine.ipv6 and store.ipv6:
        client, server = machine.ipv6, store.ipv6
    reads = [
        spread_int(dice, 400, 90_000) * dice.choice((1, 1, -1)) for _ in range(dice.randint(1, 6))
    ]
    files.file_share(wire, site.moment(), client, server, reads)


def print_pages(site: Site, machine: Machine) -> None:
    """A print."""
    dice, printer = site.wire.random, site.another(machine, "printer")
    size = spread_int(dice, 8_000, 400_000)
    files.printing(site.wire, site.moment(), machine.host, printer.host, size)


def administer(site: Site, machine: Machine) -> None:
    """An administrator's round: SSH, remote desktop, remote management, in or out."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    admin = site.remote(client=True) if dice.random() < 0.2 else machine.host
    for _ in range(dice.randint(1, 5)):
        target = site.another(machine, "server", "desktop").host
        if admin is machine.host and dice.random() < 0.3:
            target = dice.choice(dice.choice(site.services).servers)
        kind = dice.random()
        if kind < 0.45:
            mistyped = dice.choice((0, 0, 0, 1, 2))
            login.ssh_session(wire, at, admin, target, dice.randint(1, 10), mistyped)
        elif kind < 0.55:
            login.locked_out(wire, at, admin, target, dice.randint(1, 6))
        elif kind < 0.75:
            login.remote_desktop(wire, at, admin, target, spread(dice, 5, 60))
        else:
            port = dice.choice((135, 5985, 5986))
            calls = dice.randint(1, 8)
            login.managed(wire, at, admin, target, port, calls, "management")
        at += spread(dice, 1, 60)


def watch_over(site: Site, machine: Machine) -> None:
    """Monitoring of the house, by the one machine that does it."""
    dice, wire = site.wire.random, site.wire
    port = dice.choice((0, 161, 22, 80, 443, 9100))
    everyone = [each.host for each in site.machines if each is not site.monitor]
    watched = dice.sample(everyone, min(len(everyone), dice.randint(2, 40)))
    checks = [(host, dice.choice((port, port, 0))) for host in watched]
    every = max(spread(dice, 15, 120), len(checks) * wire.end / 250)
    down = dice.choice((0.0, 0.1, 0.3))
    monitoring(wire, site.moment(), wire.end, site.monitor.host, checks, every, down)


def retry(site: Site, machine: Machine) -> None:
    """A program that wants a server which is no more, in the house or far away."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    dead = site.nobody() if dice.random() < 0.3 else site.remote()
    port = dice.choice((443, 80, 445, 22, 25, 8080, 3306, 1883, dice.randint(1024, 65535)))
    until = at + spread(dice, 30, 300)
    retrying(wire, at, until, machine.host, dead, port, spread(dice, 1, 60))


def ping_out(site: Site, machine: Machine) -> None:
    """Is the network there?"""
    dice = site.wire.random
    client, servers = site.towards(machine, dice.choice(site.services))
    target: Host = dice.choice(servers)
    at = site.moment()
    for seq in range(spread_int(dice, 1, 20)):
        echo(site.wire, at + seq, client, target, 56, "infrastructure", seq)
