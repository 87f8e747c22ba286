"""Programs that log in: playbooks, version control, copies, jobs, and people's mistakes."""

from __future__ import annotations

from training.gateway.synth.benign import web
from training.gateway.synth.benign.login import ssh_greet
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire

_FAMILY = "ssh"
_KEY_ACCEPTED = ((500, 28), (112, 500), (460, 108))
_KEY_REFUSED = ((500, 52),)
_DESKTOP_GREETING = ((47, 19), (517, 1_300), (130, 51))


def short_session(
    wire: Wire,
    at: float,
    client: Host,
    server: Host,
    port: int,
    steps: list[tuple[int, int]],
    refused_keys: int = 0,
    think: float = 0.05,
) -> float:
    """SSH for a program: keys offered, a command, its output; returns when it has ended."""
    tcp = ssh_greet(Tcp(wire, at, client, server, port, _FAMILY).open())
    tcp.converse(_KEY_REFUSED * refused_keys + _KEY_ACCEPTED)
    tcp.converse(steps, think).close()
    return tcp.now


def _steps(site: Site, most: int, size: int) -> list[tuple[int, int]]:
    """Messages of a command and of its output."""
    dice = site.wire.random
    return [
        (dice.randint(60, 700), min(60_000, int(size * dice.lognormvariate(0, 1)) + 36))
        for _ in range(dice.randint(1, most))
    ]


def run_playbook(site: Site, machine: Machine) -> None:
    """Task after task on many hosts at once, a short session each, from inside or from outside."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    admin = site.remote(client=True) if dice.random() < 0.35 else machine.host
    hosts = [each.host for each in site.part(machine, 1, 15, "server", "desktop")]
    if admin is machine.host and dice.random() < 0.3:
        hosts = [site.remote() for _ in range(spread_int(dice, 2, 15))]
    port, gap, forks = dice.choice((22, 22, 2222)), spread(dice, 0.05, 8), spread(dice, 0.01, 0.5)
    keys, size = dice.choice((0, 0, 1, 3)), spread_int(dice, 60, 4_000)
    for _ in range(max(1, min(spread_int(dice, 1, 12), 50 // len(hosts)))):
        ended = at
        for host in hosts:
            begun, steps = at + dice.expovariate(1 / forks), _steps(site, 4, size)
            ended = max(ended, short_session(wire, begun, admin, host, port, steps, keys))
        at = ended + dice.expovariate(1 / gap)


def use_repository(site: Site, machine: Machine) -> None:
    """Fetches and pushes: many short sessions at one server, ours or everybody's."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    forge, client = site.role("forge", "server"), machine.host
    server = dice.choice(site.services).servers[0]
    if forge is not machine and dice.random() < 0.6:
        server = forge.host
        client = site.remote(client=True) if dice.random() < 0.5 else client
    every, regular, keys = spread(dice, 0.3, 60), dice.random() < 0.4, dice.choice((0, 0, 1, 4))
    for _ in range(spread_int(dice, 3, 40)):
        steps = [(dice.randint(100, 300), spread_int(dice, 200, 8_000))]
        if dice.random() < 0.3:
            steps += [(spread_int(dice, 100, 30_000), spread_int(dice, 60, 30_000))]
        ended = short_session(wire, at, client, server, 22, steps, keys)
        at = max(ended, at + every * (dice.uniform(0.98, 1.02) if regular else dice.expovariate(1)))


def run_regularly(site: Site, machine: Machine) -> None:
    """A timer that logs in somewhere for the same small thing each time."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server = dice.choice((site.another(machine, "server").host, site.remote()))
    every, port = spread(dice, 2, 90), dice.choice((22, 22, 2222))
    steps, jitter = _steps(site, 3, 300), dice.choice((0.0, 0.01, 0.1))
    for _ in range(spread_int(dice, 4, 30)):
        short_session(wire, at, machine.host, server, port, steps, 0, 0.01)
        at += every * dice.uniform(1 - jitter, 1 + jitter)


def copy_files(site: Site, machine: Machine) -> None:
    """Files copied one by one over SSH, each in a session of its own, to or from a server."""
    dice, wire, at, left = site.wire.random, site.wire, site.moment(), 500_000
    server = dice.choice((site.another(machine, "server").host, site.remote()))
    client = machine.host
    if dice.random() < 0.2:
        client, server = site.remote(client=True), site.another(machine, "server").host
    upwards, gap = dice.random() < 0.6, spread(dice, 0.05, 15)
    for _ in range(spread_int(dice, 2, 30)):
        size = min(left, spread_int(dice, 100, 150_000)) + 50
        steps = [(size, 60) if upwards else (120, size)]
        at = short_session(wire, at, client, server, 22, steps) + dice.expovariate(1 / gap)
        left = max(0, left - size)


def build(site: Site, machine: Machine) -> None:
    """A runner: asks for work on a clock, then clones, pulls from registries, reports."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    client, forge = site.towards(machine, site.services[-1])
    every = spread(dice, 2, 40)
    for _ in range(spread_int(dice, 3, 30)):
        tcp = web.tls_resumed(wire, at, client, forge[0], "build", 443)
        tcp.converse([(dice.randint(500, 560), dice.choice((140, 140, 140, 3_000)))]).close()
        at += every * dice.uniform(0.99, 1.01)
    if dice.random() < 0.7:
        install(site, machine)


def install(site: Site, machine: Machine) -> None:
    """Packages and images: dozens of short parallel downloads from a few registries."""
    dice, wire, at, left = site.wire.random, site.wire, site.moment(), 600_000
    rate, median = spread(dice, 1, 30), spread_int(dice, 300, 60_000)
    registries = [dice.choice(site.services) for _ in range(dice.randint(1, 3))]
    for _ in range(spread_int(dice, 6, 70)):
        at += dice.expovariate(rate)
        client, servers = site.towards(machine, dice.choice(registries))
        tcp = web.tls_resumed(wire, at, client, dice.choice(servers), "build", 443)
        size = min(left, int(median * dice.lognormvariate(0, 1)))
        tcp.converse([(dice.randint(150, 700), size + 200)])
        web.abandon(tcp, dice.uniform(0, 2))
        left = max(0, left - size)


def ask_in_a_loop(site: Site, machine: Machine) -> None:
    """A script at one server: the same request over and over, a connection each, or a load test."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    client, servers = site.towards(machine, dice.choice(site.services))
    server = dice.choice(servers)
    if dice.random() < 0.25:
        client, server = site.remote(client=True), site.another(machine, "server").host
    plain, port = dice.random() < 0.6, dice.choice((80, 80, 443, 8080))
    asked, median = spread_int(dice, 60, 900), spread_int(dice, 100, 12_000)
    varies, gap = dice.choice((0.0, 0.0, 0.3, 1.0)), dice.choice((0, 0, 0, spread(dice, 0.005, 1)))
    for _ in range(dice.choice((1, 1, 1, 2, 4, 10))):
        begun = at + dice.uniform(0, 0.05)
        for _ in range(spread_int(dice, 4, 120)):
            tcp = Tcp(wire, begun, client, server, port, "build").open()
            if not plain:
                web.tls_handshake(tcp)
            size = min(30_000, int(median * dice.lognormvariate(0, varies)) + 60)
            tcp.converse([(asked, size)]).close(dice.choice((client, server)))
            begun = tcp.now + gap * dice.uniform(0.8, 1.2)


def mistype_password(site: Site, machine: Machine) -> None:
    """One to three refusals, at SSH, a remote desktop or a share, then in, or somebody is asked."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    target = site.another(machine, "server", "desktop").host
    client = site.remote(client=True) if dice.random() < 0.3 else machine.host
    kind = dice.choice(("ssh", "desktop", "file"))
    for _ in range(dice.randint(1, 3)):
        if kind == "ssh":
            tcp = ssh_greet(Tcp(wire, at, client, target, 22, _FAMILY).open())
            refusals, steps = dice.randint(1, 3), (148, 52)
        elif kind == "desktop":
            tcp = Tcp(wire, at, client, target, 3389, "desktop").open().converse(_DESKTOP_GREETING)
            refusals, steps = 1, (dice.randint(800, 860), 90)
        else:
            tcp = Tcp(wire, at, client, target, 445, "file sharing").open()
            tcp.converse([(240, 220), (160, 360)])
            refusals, steps = 1, (dice.randint(400, 640), 77)
        for _ in range(refusals):
            tcp.pause(dice.uniform(0.01, 6))
            tcp.converse([steps], think=1.0)
        tcp.close(dice.choice((client, target)))
        at = tcp.now + dice.uniform(1, 12)
    if dice.random() < 0.7 and kind == "ssh":
        short_session(wire, at, client, target, 22, _steps(site, 20, 200), 0, 2.0)


def offer_keys(site: Site, machine: Machine) -> None:
    """A program with the wrong key that tries again and again, until its service is stopped."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server = dice.choice((site.another(machine, "server").host, site.remote()))
    every, keys = spread(dice, 1, 60), dice.randint(1, 5)
    for _ in range(spread_int(dice, 2, 20)):
        tcp = ssh_greet(Tcp(wire, at, machine.host, server, 22, _FAMILY).open())
        tcp.converse(_KEY_REFUSED * keys)
        tcp.close(dice.choice((machine.host, server)))
        at = tcp.now + every * dice.uniform(0.95, 1.05)
