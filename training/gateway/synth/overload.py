"""Floods as phases of campaigns: at a machine of the house, or by one at somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from training.gateway.synth.attacks import flood as floods
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.intrusion import Intrusion
from training.gateway.synth.tcp import ACK, FIN, PUSH, RST, SYN
from training.gateway.synth.wire import Host

_ATTACKED: Final = (80, 443, 53, 22, 25565, 3074, 8080)
_WINDOWS: Final = (512, 1_024, 5_840, 8_192, 64_240, 65_535)


def flood(intrusion: Intrusion, at: float) -> None:
    """One kind of flood."""
    kinds = (_syns, _syns, _datagrams, _echoes, _amplified, _slowloris, _segments, _visits)
    intrusion.site.wire.random.choice(kinds)(intrusion, at)


def _ends(intrusion: Intrusion) -> tuple[list[Host], Host]:
    """Who floods whom: one in three floods leaves the house."""
    site, dice = intrusion.site, intrusion.site.wire.random
    if dice.random() < 1 / 3:
        return [intrusion.bot], site.remote()
    return intrusion.sources, intrusion.victim(dice.choice(_ATTACKED))


def _senders(intrusion: Intrusion, sources: list[Host]) -> Callable[[], Host]:
    """Who each packet says that it is from: the sources, or anybody."""
    site, dice = intrusion.site, intrusion.site.wire.random
    if dice.random() < 0.6 and sources != [intrusion.bot]:
        return lambda: site.remote(client=True)
    return lambda: dice.choice(sources)


def _syns(intrusion: Intrusion, at: float) -> None:
    site, dice = intrusion.site, intrusion.site.wire.random
    sources, target = _ends(intrusion)
    source = _senders(intrusion, sources)
    count, rate = intrusion.volume(100, 450), intrusion.pace(20, 1_500)
    backlog, window = dice.choice((0, 5, 128, 512)), dice.choice(_WINDOWS)
    port = dice.choice(_ATTACKED)
    floods.syns(site.wire, at, source, target, port, count, rate, backlog, window)


def _segments(intrusion: Intrusion, at: float) -> None:
    """ACKs, RSTs, or SYN-ACKs as they come back from those in whose names somebody asked."""
    site, dice = intrusion.site, intrusion.site.wire.random
    sources, target = _ends(intrusion)
    flags = dice.choice((ACK, ACK, PUSH | ACK, RST, SYN | ACK, FIN | ACK))
    size = dice.choice((0, 0, dice.randint(1, 1_400))) if flags in (ACK, PUSH | ACK) else 0
    count, rate = intrusion.volume(150, 700), intrusion.pace(50, 3_000)
    port, source = dice.choice(_ATTACKED), _senders(intrusion, sources)
    floods.segments(site.wire, at, source, target, port, count, rate, flags, size)


def _visits(intrusion: Intrusion, at: float) -> None:
    """Requests, or connections alone, faster than any reader's; by few or by many."""
    site, dice = intrusion.site, intrusion.site.wire.random
    sources, target = _ends(intrusion)
    if sources != [intrusion.bot] and dice.random() < 0.4:
        sources = site.strangers(spread_int(dice, 5, 60))
    kept = dice.choice((0, 1, 1, 5))
    count, rate = intrusion.volume(40, 200) // (1 + kept // 2), intrusion.pace(10, 300)
    port, request = dice.choice((80, 80, 443, 8080)), dice.randint(40, 700)
    floods.visits(site.wire, at, sources, target, port, count, rate, request, kept)


def _datagrams(intrusion: Intrusion, at: float) -> None:
    site, dice = intrusion.site, intrusion.site.wire.random
    sources, target = _ends(intrusion)
    port = None if dice.random() < 0.4 else dice.choice((*_ATTACKED, dice.randint(1, 65535)))
    count, rate = intrusion.volume(150, 900), intrusion.pace(50, 3_000)
    least = spread_int(dice, 1, 1_300)
    size = (least, dice.choice((least, 1_400)))
    floods.udp_flood(site.wire, at, sources, target, port, count, rate, size)


def _echoes(intrusion: Intrusion, at: float) -> None:
    site, dice = intrusion.site, intrusion.site.wire.random
    sources, target = _ends(intrusion)
    count, rate = intrusion.volume(150, 700), intrusion.pace(30, 2_000)
    size = dice.choice((32, 56, 56, 1_000, 1_400))
    floods.icmp_flood(site.wire, at, sources, target, count, rate, size)


def _amplified(intrusion: Intrusion, at: float) -> None:
    """Seen at the victim, or at machines of the house that answer everybody."""
    site, dice = intrusion.site, intrusion.site.wire.random
    service, asked = dice.choice(list(floods.AMPLIFIERS)), dice.random() < 0.4
    if asked:
        reflectors = [intrusion.victim(service) for _ in range(dice.randint(1, 3))]
        victim = site.remote()
    else:
        reflectors = [site.remote() for _ in range(spread_int(dice, 5, 80))]
        victim = intrusion.victim()
    count, rate = intrusion.volume(80, 350), intrusion.pace(20, 1_000)
    floods.amplified(site.wire, at, reflectors, victim, service, count, rate, asked)


def _slowloris(intrusion: Intrusion, at: float) -> None:
    site, dice = intrusion.site, intrusion.site.wire.random
    port = dice.choice((80, 443, 8080))
    until, every = min(site.wire.end, at + spread(dice, 40, 300)), spread(dice, 5, 30)
    server, count = intrusion.victim(port), spread_int(dice, 25, 90)
    floods.slowloris(site.wire, at, until, intrusion.sources, server, port, count, every)
