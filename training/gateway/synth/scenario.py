"""Scenarios with names: a known thing happens, in front of a gateway's ordinary traffic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from training.gateway.synth.attacks.c2 import c2_channel
from training.gateway.synth.attacks.exfiltration import bulk
from training.gateway.synth.benign.datagrams import media
from training.gateway.synth.benign.day import fill
from training.gateway.synth.benign.files import backup
from training.gateway.synth.benign.web import tls
from training.gateway.synth.draws import spread
from training.gateway.synth.intrusion import intrude
from training.gateway.synth.site import Site, imagine
from training.gateway.synth.wire import Wire

_EPOCH = 1_760_000_000
_SECONDS = 300.0
_ORDINARY = 1_500  # frames of ordinary traffic


def surge(seed: int) -> Wire:
    """A C2 channel: slow heartbeats for half of five minutes, then 400 to 900 kB through it.

    All of it is one connection of the only malicious flow.
    """
    site = _ordinary(seed)
    wire, dice, intrusion = site.wire, site.wire.random, intrude(site)
    tcp = tls(wire, dice.uniform(2, 20), intrusion.bot, intrusion.controller, "c2")
    turn = _SECONDS * dice.uniform(0.4, 0.6)
    c2_channel(tcp, turn, dice.uniform(8, 15), dice.uniform(0, 0.3), dice.randint(24, 90), 0.0)
    size, block = dice.randint(400_000, 900_000), dice.randint(30_000, 90_000)
    bulk(tcp, size, block, spread(dice, 5e5, 3e6), dice.uniform(0.2, 1.0))
    return wire


def busy_backup(seed: int) -> Wire:
    """No attack: two to four machines upload 0.6 to 1.2 MB each, to a cloud or to the house."""
    site = _ordinary(seed)
    wire, dice = site.wire, site.wire.random
    for client in dice.sample(site.machines, dice.randint(2, min(4, len(site.machines)))):
        server = dice.choice((site.remote(), site.another(client, "server").host))
        size, block, rest = dice.randint(600_000, 1_200_000), spread(dice, 2e4, 1e5), dice.random()
        at, blocks = dice.uniform(5, 120), (round(block / 2), round(block))
        port, rate = dice.choice((443, 443, 22, 873)), spread(dice, 5e5, 1e7)
        backup(wire, at, client.host, server, size, port, blocks, (0.02, 0.05 + rest), rate)
    return wire


def video_call(seed: int) -> Wire:
    """No attack: one machine in a call of 20 to 40 s, sound and pictures both ways."""
    site = _ordinary(seed)
    wire, dice = site.wire, site.wire.random
    caller, peer = site.any("desktop", "phone").host, site.remote()
    at, relay = dice.uniform(5, 200), dice.choice((3478, 8801, 19305))
    until = at + dice.uniform(20, 40)
    for every, sizes in ((0.02, (60, 172)), (spread(dice, 0.01, 0.04), (600, 1_180))):
        ports = wire.port(caller), relay
        media(wire, at, until, (caller, peer), ports, every, sizes, both=True)
    return wire


SCENARIOS: Final[dict[str, Callable[[int], Wire]]] = {
    "surge": surge,
    "busy_backup": busy_backup,
    "video_call": video_call,
}


def _ordinary(seed: int) -> Site:
    site = imagine(Wire(seed, _EPOCH, end=_SECONDS))
    fill(site, _ORDINARY)
    return site
