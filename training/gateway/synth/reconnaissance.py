"""Scans as phases of campaigns: whom, how fast, and with which tool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from training.gateway.synth.attacks import scan as scans
from training.gateway.synth.benign.lan import who_has
from training.gateway.synth.draws import spread_int
from training.gateway.synth.intrusion import Intrusion
from training.gateway.synth.stack import Stack
from training.gateway.synth.wire import Host

_SWEPT: Final = (22, 23, 80, 443, 445, 3389, 8080, 21, 5900, 1433, 3306, 6379, 5060, 8443)
_UDP_SWEPT: Final = (53, 123, 161, 1900, 5060, 5353, 137, 11211)
_TOOL_WINDOWS: Final = (1_024, 1_024, 2_048, 3_072, 4_096, 65_535, 64_240, 29_200, 14_600)


def scan(intrusion: Intrusion, at: float) -> None:
    """From outside."""
    _scan(intrusion, at, intrusion.sources, inside=False)


def inner_scan(intrusion: Intrusion, at: float) -> None:
    """From the foothold, of the house or of the internet."""
    _scan(intrusion, at, [intrusion.bot], inside=True)


def _scan(intrusion: Intrusion, at: float, sources: list[Host], inside: bool) -> None:
    dice, end = intrusion.site.wire.random, intrusion.site.wire.end
    slow = dice.random() < 0.25
    count = spread_int(dice, 12, 50) if slow else intrusion.volume(25, 220)
    gap = (end - max(at, 0)) / count if slow else 1 / intrusion.pace(1.5, 150)
    udp = dice.random() < 0.15
    targets = (
        _by_port(intrusion, count)
        if dice.random() < 0.5
        else _by_host(intrusion, count, inside, dice.choice(_UDP_SWEPT if udp else _SWEPT))
    )
    for nth, source in enumerate(sources):
        mine = targets[nth :: len(sources)]
        _carry_out(intrusion, source, _timed(intrusion, source, at, gap * len(sources), mine), udp)


def _by_port(intrusion: Intrusion, count: int) -> list[tuple[Host, int]]:
    """Many ports of one machine or two."""
    dice = intrusion.site.wire.random
    targets = [intrusion.victim() for _ in range(dice.choice((1, 1, 1, 2)))]
    most = dice.choice((1_024, 10_000, 65_535))
    ports = dice.sample(range(1, most), min(most - 1, count // len(targets)))
    ports += dice.sample(_SWEPT, 6)
    dice.shuffle(ports)
    return list(dict.fromkeys((target, port) for target in targets for port in ports))


def _by_host(intrusion: Intrusion, count: int, inside: bool, port: int) -> list[tuple[Host, int]]:
    """One port, or a few, of many machines; of an outsider's most are nobody's."""
    site, dice = intrusion.site, intrusion.site.wire.random
    ports = [port] if dice.random() < 0.7 else [port, *dice.sample(_SWEPT, 2)]
    abroad, targets = inside and dice.random() < 0.5, []
    for _ in range(max(4, count // len(ports))):
        if abroad:
            targets.append(site.remote(client=True))
        else:
            targets.append(intrusion.victim() if dice.random() < 0.3 else site.nobody())
    return list(dict.fromkeys((target, each) for target in targets for each in ports))


def _timed(
    intrusion: Intrusion, source: Host, at: float, gap: float, targets: list[tuple[Host, int]]
) -> Iterator[tuple[float, Host, int]]:
    """Probes at their moments. Of absent neighbours only the question for their MAC is seen."""
    site, dice = intrusion.site, intrusion.site.wire.random
    steady = dice.random() < 0.4
    for target, port in targets:
        at += gap * (dice.uniform(0.9, 1.1) if steady else dice.expovariate(1))
        absent = target.ip.startswith(site.prefix) and target.mac == site.gateway.mac
        if absent and source is intrusion.bot:
            who_has(site.wire, at, source, target)
        else:
            yield at, target, port


def _carry_out(intrusion: Intrusion, source: Host, probes: scans.Probes, udp: bool) -> None:
    site, dice = intrusion.site, intrusion.site.wire.random
    state: Callable[[Host, int], scans.State] = site.state
    kind, port = dice.random(), site.wire.port(source)
    if udp:
        scans.udp_scan(site.wire, source, port, probes, state)
    elif kind < 0.45:
        tool, scanner = _tool(intrusion, source)
        scans.syn_scan(site.wire, scanner, port, probes, state, tool)
    elif kind < 0.7:
        scans.connect_scan(site.wire, source, probes, state)
    elif kind < 0.8:
        request = dice.choice((0, 18, 40, dice.randint(80, 250), 517))
        scans.grab_banners(site.wire, source, probes, state, request)
    elif kind < 0.92:
        flags, window = dice.choice(scans.ODD_FLAGS), dice.choice(_TOOL_WINDOWS)
        scans.odd_scan(site.wire, source, port, probes, state, flags, window)
    else:
        known = {each.host.ip for each in site.machines if not each.filtered}
        size = dice.choice((0, 8, 32, 56, 120))
        scans.ping_sweep(site.wire, source, probes, lambda host: host.ip in known, size)


def _tool(intrusion: Intrusion, source: Host) -> tuple[Stack, Host]:
    """Raw SYNs: a tool's own windows, and often TTLs of its own (nmap's are 37 to 59)."""
    dice = intrusion.site.wire.random
    tool = replace(scans.RAW, window=dice.choice(_TOOL_WINDOWS))
    if dice.random() < 0.3:
        tool = replace(tool, scale=7, sack=True)
    ttl = dice.randint(37, 59) if dice.random() < 0.4 else source.ttl
    return tool, replace(source, ttl=ttl)
