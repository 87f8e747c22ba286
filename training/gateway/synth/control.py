"""Command and control as phases of campaigns: how a bot reaches whoever gives it orders."""

from __future__ import annotations

from typing import Final

from training.gateway.synth.attacks import c2
from training.gateway.synth.benign.web import tls_handshake
from training.gateway.synth.draws import spread, spread_int, weighted
from training.gateway.synth.intrusion import Intrusion
from training.gateway.synth.phases import Phase
from training.gateway.synth.tcp import Tcp

_PORTS: Final = (443, 443, 443, 80, 80, 8080, 8443, 4444, 8888, 53)
_MOST_CHECK_INS = 40


def command(intrusion: Intrusion, at: float) -> None:
    """A controller that is asked, in one of the ways in which bots do."""
    weighted(intrusion.site.wire.random, _WAYS)(intrusion, at)


def _rhythm(intrusion: Intrusion, at: float) -> tuple[float, float, float]:
    """Seconds between check-ins, their jitter as a share, and when the bot falls silent."""
    dice, end = intrusion.site.wire.random, intrusion.site.wire.end
    every, jitter = spread(dice, 3, 120), dice.choice((0, 0.02, 0.1, 0.2, 0.37, 0.5))
    return every, jitter, min(end, at + _MOST_CHECK_INS * every)


def _beacon(intrusion: Intrusion, at: float) -> None:
    wire, dice = intrusion.site.wire, intrusion.site.wire.random
    every, jitter, until = _rhythm(intrusion, at)
    least = spread_int(dice, 60, 700)
    port = dice.choice((*_PORTS, dice.randint(1024, 65535)))
    opening = c2.OPENINGS["plain" if port == 80 else dice.choice(list(c2.OPENINGS))]
    size, idle = (least, least + spread_int(dice, 1, 200)), spread_int(dice, 50, 900)
    orders, results = dice.choice((0.0, 0.03, 0.08, 0.2)), dice.choice((0, 4_000, 40_000))
    down = dice.choice((0.0, 0.0, 0.1, 0.5, 1.0))
    sleeps = [until] if dice.random() < 0.7 else [at + (until - at) * dice.uniform(0.2, 0.8), until]
    for stop in sleeps:
        at = c2.c2_beacon(
            wire, at, stop, intrusion.bot, intrusion.controller, every, jitter, port, opening,
            size, idle, orders, results, down, "c2",
        )  # fmt: skip
        every = spread(dice, 3, 120)


def _channel(intrusion: Intrusion, at: float) -> None:
    wire, dice = intrusion.site.wire, intrusion.site.wire.random
    every, jitter, until = _rhythm(intrusion, at)
    port = dice.choice((*_PORTS, 1337, 5555, 6667, dice.randint(1024, 65535)))
    tcp = Tcp(wire, at, intrusion.bot, intrusion.controller, port, "c2").open()
    if port in (443, 8443):
        tls_handshake(tcp)
    beat, orders = spread_int(dice, 2, 200), dice.choice((0.0, 0.05, 0.2))
    c2.c2_channel(tcp, until, every, jitter, beat, orders)


def _chat(intrusion: Intrusion, at: float) -> None:
    wire, dice = intrusion.site.wire, intrusion.site.wire.random
    every, _, until = _rhythm(intrusion, at)
    port = dice.choice((6667, 6667, 6697, 6660, 7000, 8080, dice.randint(1024, 65535)))
    tcp = Tcp(wire, at, intrusion.bot, intrusion.controller, port, "c2").open()
    c2.c2_chat(tcp, until, every, dice.choice((0.02, 0.1, 0.3)))


def _shell(intrusion: Intrusion, at: float) -> None:
    """Somebody at a keyboard, through a connection that the foothold opened."""
    wire, dice = intrusion.site.wire, intrusion.site.wire.random
    port = dice.choice((4444, 443, 53, 80, 1337, 9001, dice.randint(1024, 65535)))
    tcp = Tcp(wire, at, intrusion.bot, intrusion.controller, port, "c2").open()
    if port == 443 and dice.random() < 0.5:
        tls_handshake(tcp)
    c2.c2_shell(tcp, wire.end, spread_int(dice, 3, 40), spread(dice, 0.5, 20))


def _ask_by_name(intrusion: Intrusion, at: float) -> None:
    wire, dice = intrusion.site.wire, intrusion.site.wire.random
    every, jitter, until = _rhythm(intrusion, at)
    resolver = dice.choice((intrusion.site.resolver, intrusion.controller))
    orders = dice.choice((0.02, 0.1, 0.2))
    c2.c2_dns(wire, at, until, intrusion.bot, resolver, every, jitter, orders)


def _ask_by_datagram(intrusion: Intrusion, at: float) -> None:
    wire, dice = intrusion.site.wire, intrusion.site.wire.random
    every, jitter, until = _rhythm(intrusion, at)
    port, size = dice.choice((53, 123, 443, dice.randint(1024, 65535))), spread_int(dice, 12, 500)
    c2.c2_datagram(wire, at, until, intrusion.bot, intrusion.controller, port, every, jitter, size)


def _ask_peers(intrusion: Intrusion, at: float) -> None:
    """Other bots, by a list that is old: some answer."""
    site, dice = intrusion.site, intrusion.site.wire.random
    peers = site.strangers(spread_int(dice, 8, 80))
    rate, gone = spread(dice, 0.1, 8), dice.uniform(0.4, 0.95)
    c2.c2_peers(site.wire, at, intrusion.bot, peers, rate, gone, spread_int(dice, 16, 600))


def _look_for(intrusion: Intrusion, at: float) -> None:
    """Names made up by the hour, or addresses on a list, until one is there; then as a beacon."""
    site, dice = intrusion.site, intrusion.site.wire.random
    if dice.random() < 0.6:
        rate, names = spread(dice, 0.3, 20), spread_int(dice, 8, 120)
        at = c2.c2_made_up_names(site.wire, at, intrusion.bot, site.resolver, names, rate)
    else:
        dead = [site.remote() for _ in range(spread_int(dice, 2, 25))]
        port, pace = dice.choice(_PORTS), spread(dice, 0.5, 20)
        at = c2.c2_dead_controllers(site.wire, at, intrusion.bot, dead, port, pace)
    if dice.random() < 0.6 and at < site.wire.end:
        _beacon(intrusion, at)


_WAYS: Final[dict[Phase, float]] = {
    **{_beacon: 5, _channel: 1.5, _chat: 0.8, _shell: 0.8, _ask_by_name: 1.5},
    **{_ask_by_datagram: 0.8, _ask_peers: 0.6, _look_for: 0.8},
}
