"""Makes the sample captures: ``python -m tests.captures.make OUTDIR [--seed N]``.

Two networks, each with a day's habits in a few minutes and attacks among them; the same seed gives
the same bytes. All public addresses are from ranges reserved for documentation.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from training.gateway.synth.attacks.c2 import c2_beacon
from training.gateway.synth.attacks.exfiltration import slow_exfiltration
from training.gateway.synth.attacks.flood import syn_flood
from training.gateway.synth.attacks.guess import ssh_brute_force
from training.gateway.synth.attacks.scan import port_scan
from training.gateway.synth.benign import lan, names
from training.gateway.synth.benign.datagrams import call
from training.gateway.synth.benign.files import backup, file_share, printing
from training.gateway.synth.benign.login import ssh_session
from training.gateway.synth.benign.mail import mail_fetch, mail_send
from training.gateway.synth.benign.things import telemetry
from training.gateway.synth.benign.web import video, web_page
from training.gateway.synth.wire import Host, Wire

EPOCH = 1_760_000_000  # an afternoon in October 2025
GATEWAY_MAC = "02:00:00:00:00:01"


def remote(ip: str, rtt: float, ttl: int = 52) -> Host:
    """A machine in the internet, ``rtt`` seconds away."""
    return Host(GATEWAY_MAC, ip, rtt, ttl)


SITES = {
    "news.example": [remote(f"203.0.113.{n}", 0.018 + n / 5000) for n in (10, 11, 12)],
    "shop.example": [remote(f"203.0.113.{n}", 0.030 + n / 5000) for n in (20, 21)],
    "forum.example": [remote("198.51.100.30", 0.110, 47)],
    "weather.example": [remote("192.0.2.40", 0.024), remote("192.0.2.41", 0.026)],
}
SITES6 = [Host(GATEWAY_MAC, f"2001:db8:80::{n}", 0.02, 55) for n in (10, 11)]
CLOCK = remote("192.0.2.123", 0.012, 56)
COLLECTOR = remote("198.51.100.88", 0.045)


def browse(wire: Wire, until: float, client: Host, resolver: Host, pages: int) -> None:
    """Pages of the known sites, at moments of the user's liking."""
    for _ in range(pages):
        name, servers = wire.random.choice(list(SITES.items()))
        at = wire.random.uniform(5, until)
        for server in servers:
            at = names.dns(wire, at, client, resolver, name, server.ip)
        web_page(wire, at + 0.002, client, servers)


def household(wire: Wire, until: float, hosts: list[Host], gateway: Host) -> None:
    """What every machine does by itself: ARP, DNS, clock, discovery, pings."""
    for host in hosts:
        port = wire.port()
        for at in range(20, int(until), 300):
            moment = at + wire.random.uniform(0, 60)
            lan.resolve_mac(wire, moment, host, gateway)
            names.dns(wire, moment + 1, host, gateway, "time.example", CLOCK.ip)
            lan.clock(wire, moment + 1.1, host, CLOCK)
            lan.announce(wire, moment + 3, host, "_http._tcp.local")
            lan.discover(wire, moment + 4, host, port)
        lan.ping(wire, wire.random.uniform(0, until), gateway, host, 2)


def home(seed: int) -> Wire:
    """Twenty minutes of a home: 192.168.1.0/24 and two IPv6 prefixes."""
    wire, until = Wire(seed, EPOCH), 1200.0
    gateway = Host(GATEWAY_MAC, "192.168.1.1", 0.0004)
    laptop, phone, tv, camera, nas = (
        Host(f"02:00:00:00:01:{n:02x}", f"192.168.1.{n}", delay)
        for n, delay in ((20, 0.0012), (21, 0.004), (30, 0.0015), (40, 0.003), (50, 0.0005))
    )
    household(wire, until, [laptop, phone, tv, camera, nas], gateway)
    browse(wire, 1100, laptop, gateway, 9)
    browse(wire, 1100, phone, gateway, 6)
    _home_ipv6(wire, laptop, nas, gateway)
    video(wire, 300, tv, remote("203.0.113.200", 0.009, 58), 18)
    backup(wire, 620, laptop, nas, 700_000, 873)
    file_share(wire, 150, laptop, nas, [40_000, 12_000, -30_000, 8_000])
    mail_fetch(wire, 60, phone, remote("198.51.100.25", 0.03))
    for at, host, every in ((10, camera, 20.0), (14, tv, 60.0)):
        telemetry(wire, at, until - 30, host, COLLECTOR, every)

    port_scan(wire, 420, camera, nas, 350, answering=0.7)
    c2_beacon(wire, 33, until - 5, laptop, remote("198.51.100.213", 0.085, 44))
    slow_exfiltration(wire, 480, until, nas, remote("203.0.113.77", 0.14, 41), 4.0)
    return wire


def _home_ipv6(wire: Wire, laptop: Host, nas: Host, gateway: Host) -> None:
    """The laptop in the internet by its global address, and at the NAS by its local one."""
    public = replace(laptop, ip="2001:db8:1:1::20")
    private, store = replace(laptop, ip="fd00:db8:1::20"), replace(nas, ip="fd00:db8:1::50")
    for at in (90, 510, 930):
        found = names.dns(wire, at, laptop, gateway, "news.example", SITES6[0].ip)
        web_page(wire, found + 0.002, public, SITES6)
    lan.ping(wire, 200, public, SITES6[0], 5)
    lan.announce(wire, 205, private, "_smb._tcp.local")
    file_share(wire, 250, private, store, [20_000, -6_000])


def office(seed: int) -> Wire:
    """Fifteen minutes of an office: machines in VLAN 10, phones in VLAN 20, servers of its own."""
    wire, until = Wire(seed, EPOCH + 86_400), 900.0
    gateway = Host(GATEWAY_MAC, "10.20.10.1", 0.0003, vlan=10)
    machines = {
        n: Host(f"02:00:00:00:0a:{n:02x}", f"10.20.10.{n}", 0.0007, 128, 10)
        for n in (21, 22, 23, 24, 5, 6, 7, 90)
    }
    mail, files, web, printer = (machines[n] for n in (5, 6, 7, 90))
    desks = [machines[n] for n in (21, 22, 23, 24)]
    phones = [Host(f"02:00:00:00:14:{n:02x}", f"10.20.20.{n}", 0.0009, 64, 20) for n in (121, 122)]
    household(wire, until, list(machines.values()), gateway)
    for desk in desks:
        browse(wire, 800, desk, gateway, 2)
        mail_fetch(wire, wire.random.uniform(10, 600), desk, mail)
        file_share(wire, wire.random.uniform(10, 600), desk, files, [15_000, -9_000, 4_000])
    mail_send(wire, 130, desks[0], mail, 21_000)
    mail_send(wire, 134, mail, remote("192.0.2.25", 0.05), 21_000)
    printing(wire, 350, desks[1], printer, 40_000)
    ssh_session(wire, 240, desks[2], files, 8)
    backup(wire, 700, files, remote("203.0.113.150", 0.022, 57), 350_000, 443)
    call(wire, 95, phones[0], remote("198.51.100.60", 0.035), 11)
    call(wire, 560, phones[1], phones[0], 5)

    ssh_brute_force(wire, 160, remote("198.51.100.201", 0.19, 43), files, 42)
    port_scan(wire, 390, remote("192.0.2.199", 0.16, 238), web, 300, answering=0.05)
    syn_flood(wire, 640, GATEWAY_MAC, web, 1500)
    c2_beacon(wire, 48, until, desks[3], remote("203.0.113.222", 0.12, 45))
    return wire


def small(seed: int) -> dict[str, Wire]:
    """Three captures of a few kB, whose observations are kept as golden vectors."""
    gateway = Host(GATEWAY_MAC, "192.168.1.1", 0.0004)
    laptop = Host("02:00:00:00:01:14", "192.168.1.20", 0.0012)
    desk = Host("02:00:00:00:0a:16", "10.20.10.22", 0.0007, 128, 10)
    wires = {name: Wire(seed, EPOCH) for name in ("page", "scan", "beacon")}
    found = names.dns(wires["page"], 1, laptop, gateway, "news.example", SITES6[0].ip)
    web_page(wires["page"], found, replace(laptop, ip="2001:db8:1:1::20"), SITES6[:1])
    port_scan(wires["scan"], 1, remote("192.0.2.199", 0.16), laptop, 40, answering=0.5)
    c2_beacon(wires["beacon"], 3, 400, desk, remote("203.0.113.222", 0.12))
    return wires


def main() -> None:
    """Write all captures and their labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    home(arguments.seed).save(arguments.outdir, "home")
    office(arguments.seed + 1).save(arguments.outdir, "office")
    for name, wire in small(arguments.seed + 2).items():
        wire.save(arguments.outdir, name)


if __name__ == "__main__":
    main()
