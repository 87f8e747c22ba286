"""A directory's clients: names, tickets, lookups, remote procedure calls, shares at log-on."""

from __future__ import annotations

from training.gateway.synth.benign.datagrams import question
from training.gateway.synth.benign.files import SMB_LOGIN, file_share
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.icmp import unreachable
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host

_FAMILY = "office"
_NETBIOS_NAMES, _NETBIOS_DATAGRAMS = 137, 138


def controllers(site: Site) -> list[Machine]:
    """The house's domain controllers, one or two."""
    first, second = (site.role(f"controller {n}", "server") for n in range(2))
    return [first] if first is second else [first, second]


def _controller(site: Site, client: Machine) -> Host | None:
    """One of them, unless the client is the only one."""
    others = [each.host for each in controllers(site) if each is not client]
    return site.wire.random.choice(others) if others else None


def log_on(site: Site, machine: Machine) -> None:
    """A morning: find the directory, get tickets, read policies, and run the login script."""
    _log_on(site, machine, site.moment())


def rush(site: Site, machine: Machine) -> None:
    """Everybody logs on within a few minutes."""
    dice, at = site.wire.random, site.moment()
    pace = spread(dice, 0.03, 2)
    for each in site.part(machine, 2, 8, "desktop"):
        at += dice.expovariate(pace)
        _log_on(site, each, at)


def _log_on(site: Site, machine: Machine, at: float) -> None:
    dice, controller = site.wire.random, _controller(site, machine)
    if controller is None:
        return
    at = _locate(site, at, machine.host, controller)
    at = _tickets(site, at, machine.host, controller, dice.randint(1, 5))
    at = _look_up(site, at, machine.host, controller, dice.randint(1, 12))
    at = _call(site, at, machine.host, controller, dice.randint(1, 5))
    if dice.random() < 0.8:
        reads = [spread_int(dice, 100, 9_000) for _ in range(dice.randint(1, 6))]
        file_share(site.wire, at, machine.host, controller, reads, _FAMILY, (0.01, 0.3))
    if dice.random() < 0.7:
        _login_script(site, machine, at + dice.uniform(0.1, 5))


def _locate(site: Site, at: float, client: Host, controller: Host) -> float:
    """Who keeps the directory? SRV records, of which some are missing, then LDAP pings by UDP."""
    dice, wire = site.wire.random, site.wire
    for _ in range(dice.randint(1, 6)):
        ports, answer = (wire.port(client), 53), dice.choice((110, dice.randint(120, 420)))
        at = question(wire, at, client, controller, ports, (dice.randint(45, 95), answer), _FAMILY)
    for _ in range(dice.randint(0, 3)):
        ports, sizes = (wire.port(client), 389), (dice.randint(110, 230), dice.randint(110, 210))
        at = question(wire, at, client, controller, ports, sizes, _FAMILY)
    return at + dice.uniform(0.001, 0.05)


def _tickets(site: Site, at: float, client: Host, controller: Host, count: int) -> float:
    """Kerberos: asked without a proof, told so, asked with one, then a ticket a service."""
    dice, wire = site.wire.random, site.wire
    wanted = [(dice.randint(190, 260), dice.randint(140, 220)), (dice.randint(280, 340), 1_500)]
    wanted += [(dice.randint(1_300, 2_600), dice.randint(1_300, 2_400)) for _ in range(count)]
    for request, response in wanted:
        if dice.random() < 0.2 and request < 400:
            ports = wire.port(client), 88
            at = question(wire, at, client, controller, ports, (request, response % 400), _FAMILY)
            continue
        tcp = Tcp(wire, at, client, controller, 88, _FAMILY).open()
        tcp.converse([(request, response)])
        tcp.close() if dice.random() < 0.7 else tcp.reset(client)
        at = tcp.now + dice.uniform(0.001, 0.1)
    return at


def _look_up(site: Site, at: float, client: Host, controller: Host, searches: int) -> float:
    """LDAP: bind, search, unbind; with TLS or without, of the forest or of the domain."""
    dice, wire = site.wire.random, site.wire
    port = dice.choice((389, 389, 389, 636, 3268))
    tcp = Tcp(wire, at, client, controller, port, _FAMILY).open()
    if port == 636:
        tcp.converse([(client.stack.hello, dice.randint(1_500, 3_500)), (130, 60)])
    tcp.converse([(dice.randint(300, 420), 2_900), (dice.randint(1_600, 2_300), 210)])
    for _ in range(searches):
        size = min(20_000, int(dice.lognormvariate(6, 1.2)))
        tcp.converse([(dice.randint(150, 480), size)], think=0.02)
    if dice.random() < 0.7:
        tcp.close()
    return tcp.now + dice.uniform(0.001, 0.05)


def _call(site: Site, at: float, client: Host, server: Host, calls: int) -> float:
    """DCE-RPC: the endpoint mapper says at which high port a service is, and there it is called."""
    dice, wire = site.wire.random, site.wire
    mapper = Tcp(wire, at, client, server, 135, _FAMILY).open()
    mapper.converse(((dice.randint(116, 160), 84), (dice.randint(156, 200), 152))).close()
    port = dice.randint(49_664, 49_730)
    tcp = Tcp(wire, mapper.now, client, server, port, _FAMILY).open()
    tcp.converse([(dice.randint(160, 1_900), dice.randint(80, 330))])
    for _ in range(calls):
        tcp.converse([(dice.randint(90, 900), dice.randint(60, 1_600))], think=0.05)
    if dice.random() < 0.8:
        tcp.close()
    return tcp.now


def refresh(site: Site, machine: Machine) -> None:
    """Tickets, lookups and policies again, through the day."""
    dice, controller, at = site.wire.random, _controller(site, machine), site.moment()
    if controller is None:
        return
    steps = (_tickets, _look_up, _call)
    for _ in range(dice.randint(1, 6)):
        at = dice.choice(steps)(site, at, machine.host, controller, dice.randint(1, 6))
        at += spread(dice, 0.05, 60)


def _login_script(site: Site, machine: Machine, at: float) -> None:
    """Drives and printers connected at once, on servers of which some have been switched off."""
    dice, wire, pause = site.wire.random, site.wire, spread(site.wire.random, 0.01, 3)
    servers = [each.host for each in site.part(machine, 2, 9, "server", "printer", "desktop")]
    if dice.random() < 0.3:
        servers += [site.nobody() for _ in range(dice.randint(1, 2))]
    for server in servers:
        at += dice.expovariate(1 / pause)
        found = site.state(server, 445)
        if found == "silent" and dice.random() < 0.5:
            Tcp(wire, at, machine.host, server, 445, _FAMILY).unanswered(dice.randint(1, 3))
        elif found == "closed" and dice.random() < 0.6:
            Tcp(wire, at, machine.host, server, 445, _FAMILY).refused()
        else:
            connect_share(site, at, machine.host, server, dice.randint(0, 5))


def connect_share(site: Site, at: float, client: Host, server: Host, operations: int) -> None:
    """A share mounted and kept: SMB's login, some requests, then an echo now and then."""
    dice, wire = site.wire.random, site.wire
    if dice.random() < 0.2:  # older systems ask at both ports and hang up on the slower one
        Tcp(wire, at, client, server, 139, _FAMILY).open().reset(client)
    tcp = Tcp(wire, at, client, server, 445, _FAMILY).open().converse(SMB_LOGIN)
    for _ in range(operations):
        tcp.converse([(dice.randint(110, 420), min(30_000, int(dice.lognormvariate(6, 1.5))))])
        tcp.pause(dice.expovariate(1 / spread(dice, 0.02, 5)))
    every, until = spread(dice, 10, 120), min(wire.end, tcp.now + spread(dice, 5, 600))
    while tcp.now + every < until:
        tcp.pause(every)
        tcp.converse([(72, 72)])
    if dice.random() < 0.6:
        tcp.close(dice.choice((client, server)))


def search_domains(site: Site, machine: Machine) -> None:
    """Short names tried with each suffix in turn: most answers say that there is no such name."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server = _controller(site, machine) or site.resolver
    suffixes, both, missing = dice.randint(1, 6), dice.random() < 0.6, dice.uniform(0.4, 1)
    for _ in range(spread_int(dice, 1, 14)):
        name = dice.randint(30, 70)
        for _ in range(suffixes * (1 + both)):
            size = name + dice.randint(0, 25)
            answer = size + (75 if dice.random() < missing else dice.randint(16, 200))
            ports = wire.port(machine.host), 53
            late = question(wire, at, machine.host, server, ports, (size, answer), _FAMILY)
            at = late + dice.uniform(0.0001, 0.01)
        at += dice.expovariate(1 / spread(dice, 0.05, 20))


def netbios(site: Site, machine: Machine) -> None:
    """Names shouted to everybody thrice, announcements, and neighbours asked who they are."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    for _ in range(dice.randint(1, 8)):
        for nth in range(3):
            ports = _NETBIOS_NAMES, _NETBIOS_NAMES
            wire.datagram(at + 0.75 * nth, us, site.broadcast, ports, 50, _FAMILY)
        if dice.random() < 0.4:
            ports, size = (_NETBIOS_DATAGRAMS, _NETBIOS_DATAGRAMS), dice.randint(174, 220)
            wire.datagram(at + 2, us, site.broadcast, ports, size, _FAMILY)
        at += spread(dice, 1, 60)
    if dice.random() < 0.5:
        return
    for each in site.part(machine, 1, 20):
        at += dice.expovariate(4)
        answer = dice.choice((0, 0, dice.randint(157, 265)))
        ports = _NETBIOS_NAMES, _NETBIOS_NAMES
        late = question(wire, at, us, each.host, ports, (50, answer), _FAMILY)
        if not answer and not each.filtered:
            unreachable(wire, late, each.host, us, 50, _FAMILY)
