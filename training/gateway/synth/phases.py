"""Phases of campaigns: each function draws one attack and how it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final, TypeAlias

from training.gateway.synth.attacks import exfiltration
from training.gateway.synth.attacks.mining import stratum
from training.gateway.synth.attacks.scan import State
from training.gateway.synth.attacks.spread import LATERAL_PORTS, lateral, worm, worm_by_datagram
from training.gateway.synth.benign.login import ssh_greet
from training.gateway.synth.benign.web import tls_handshake
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.intrusion import Intrusion
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host

Phase: TypeAlias = Callable[[Intrusion, float], None]

_WORM_PORTS: Final = (23, 23, 2323, 445, 445, 22, 135, 1433, 5555, 6379, 7547, 37_215)
_POOL_PORTS: Final = (3333, 4444, 5555, 7777, 14444, 443, 80, 8080)


def exfiltrate(intrusion: Intrusion, at: float) -> None:
    """The spoils leave."""
    dice = intrusion.site.wire.random
    kind = dice.random()
    if kind < 0.3:
        _bulk(intrusion, at)
    elif kind < 0.5:
        _drip(intrusion, at)
    elif kind < 0.6:
        _posts(intrusion, at)
    elif kind < 0.68:
        _transfers(intrusion, at)
    elif kind < 0.88:
        _through_names(intrusion, at)
    else:
        _through_echoes(intrusion, at)


def _drop(intrusion: Intrusion, at: float) -> Tcp:
    """A connection to where the spoils go: TLS, SSH, or plain."""
    wire, dice = intrusion.site.wire, intrusion.site.wire.random
    port = dice.choice((443, 443, 22, 21, 80, 8080, 8443, dice.randint(1024, 65535)))
    server = dice.choice((intrusion.controller, intrusion.site.remote()))
    tcp = Tcp(wire, at, intrusion.bot, server, port, "exfiltration").open()
    if port == 22:
        return ssh_greet(tcp)
    return tls_handshake(tcp) if port in (443, 8443) else tcp


def _bulk(intrusion: Intrusion, at: float) -> None:
    dice = intrusion.site.wire.random
    size, block = spread_int(dice, 100_000, 1_000_000), spread_int(dice, 4_000, 200_000)
    rate, rest = spread(dice, 1e5, 1e7), spread(dice, 0.02, 4)
    for _ in range(dice.choice((1, 1, 1, 3))):
        exfiltration.bulk(_drop(intrusion, at), size, block, rate, rest)
        size //= 2
        at += dice.uniform(1, 60)


def _drip(intrusion: Intrusion, at: float) -> None:
    dice = intrusion.site.wire.random
    every, size = spread(dice, 1, 40), spread_int(dice, 300, 8_000)
    until = min(intrusion.site.wire.end, at + 100 * every)
    sizes = size, round(size * dice.uniform(1, 2))
    exfiltration.drip(_drop(intrusion, at), until, every, dice.choice((0.02, 0.05, 0.3)), sizes)


def _posts(intrusion: Intrusion, at: float) -> None:
    """Piece by piece, each posted on a connection of its own, to one place or to several."""
    site, dice = intrusion.site, intrusion.site.wire.random
    drops = dice.choice(([intrusion.controller], [site.remote() for _ in range(4)]))
    port, piece = dice.choice((443, 443, 80, 8080)), spread_int(dice, 1_000, 60_000)
    pieces, rest = min(60, spread_int(dice, 60_000, 700_000) // piece + 2), spread(dice, 0.05, 15)
    exfiltration.posts(site.wire, at, intrusion.bot, drops, port, piece, pieces, rest)


def _transfers(intrusion: Intrusion, at: float) -> None:
    """FTP, file after file."""
    site, dice = intrusion.site, intrusion.site.wire.random
    files = [spread_int(dice, 2_000, 200_000) for _ in range(dice.randint(1, 8))]
    exfiltration.transfers(
        site.wire, at, intrusion.bot, site.remote(), files, spread(dice, 1e5, 5e6)
    )


def _through_names(intrusion: Intrusion, at: float) -> None:
    site, dice = intrusion.site, intrusion.site.wire.random
    resolver = dice.choice((site.resolver, site.resolver, intrusion.controller))
    questions, rate = spread_int(dice, 40, 300), spread(dice, 0.5, 25)
    one_port = dice.random() < 0.5
    exfiltration.dns_tunnel(site.wire, at, intrusion.bot, resolver, questions, rate, one_port)


def _through_echoes(intrusion: Intrusion, at: float) -> None:
    site, dice = intrusion.site, intrusion.site.wire.random
    messages, rate = spread_int(dice, 30, 250), spread(dice, 0.3, 15)
    drop, most = site.remote(), dice.choice((120, 500, 1_000, 1_400))
    exfiltration.icmp_tunnel(site.wire, at, intrusion.bot, drop, messages, rate, most)


def move(intrusion: Intrusion, at: float) -> None:
    """From the foothold to other machines of the house."""
    site, dice = intrusion.site, intrusion.site.wire.random
    others = [each.host for each in site.machines if each is not intrusion.foothold]
    favourite = dice.choice(LATERAL_PORTS)
    for target in dice.sample(others, min(len(others), dice.randint(2, 8))):
        port = favourite if dice.random() < 0.7 else dice.choice(LATERAL_PORTS)
        found = site.state(target, port)
        if found == "closed" and dice.random() < 0.5:
            found = "open"  # the intruder knows whom to try
        lateral(site.wire, at, intrusion.bot, target, port, found)
        at += spread(dice, 0.5, 60)


def _crafting(intrusion: Intrusion) -> Host:
    """The bot, of which some kinds make their SYNs themselves."""
    dice, bot = intrusion.site.wire.random, intrusion.bot
    if dice.random() < 0.7:
        return bot
    return replace(bot, stack=replace(bot.stack, window=dice.choice((1_024, 5_840, 14_600))))


def infect(intrusion: Intrusion, at: float) -> None:
    """A worm, inward from machines that it has already, or outward from here."""
    site, dice = intrusion.site, intrusion.site.wire.random
    port, payload = dice.choice(_WORM_PORTS), spread_int(dice, 1_000, 70_000)
    tries, rate = intrusion.volume(30, 250), intrusion.pace(0.5, 40)
    datagram = dice.random() < 0.12

    def outward() -> Iterator[tuple[float, Host, int]]:
        moment = at
        for _ in range(tries):
            moment += dice.expovariate(rate)
            near = dice.random() < 0.2
            yield moment, intrusion.victim() if near else site.remote(client=True), port

    def state(target: Host, number: int) -> State:
        found = site.state(target, number)
        luck = dice.random()
        return found if found != "silent" or luck > 0.12 else ("open" if luck < 0.07 else "closed")

    if datagram:
        at_once = 1434, dice.choice((376, 376, dice.randint(100, 600)))
        worm_by_datagram(site.wire, _crafting(intrusion), outward(), *at_once)
    elif dice.random() < 0.6:
        worm(site.wire, _crafting(intrusion), outward(), state, payload)
    else:
        for _ in range(tries // 3):
            at += dice.expovariate(rate)
            source, target = site.remote(client=True), intrusion.victim(port)
            worm(site.wire, source, [(at, target, port)], state, payload)


def mine(intrusion: Intrusion, at: float) -> None:
    """Somebody else's electricity."""
    site, dice = intrusion.site, intrusion.site.wire.random
    port, encrypted = dice.choice((*_POOL_PORTS, dice.randint(1024, 65535))), dice.random() < 0.4
    pool = dice.choice((intrusion.controller, site.remote()))
    jobs, shares = spread(dice, 6, 60), spread(dice, 4, 90)
    until = site.wire.end if dice.random() < 0.7 else at + spread(dice, 30, 300)
    for _ in range(dice.choice((0, 0, 1, 4))):  # pools that are gone, or blocked
        tcp = Tcp(site.wire, at, intrusion.bot, site.remote(), port, "cryptomining")
        tcp.refused() if dice.random() < 0.3 else tcp.unanswered(dice.randint(1, 4))
        at += dice.expovariate(0.2)
    breaks = sorted(dice.uniform(at, until) for _ in range(dice.choice((0, 0, 1, 3))))
    for begun, ended in pairwise([at, *breaks, max(at, until)]):
        stratum(site.wire, begun, ended, intrusion.bot, pool, port, jobs, shares, encrypted)
