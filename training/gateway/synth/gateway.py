"""One imagined gateway's traffic."""

from __future__ import annotations

from training.gateway.synth.benign.day import fill
from training.gateway.synth.campaign import attack
from training.gateway.synth.draws import spread, weighted
from training.gateway.synth.site import imagine
from training.gateway.synth.wire import Wire

_EARLIEST, _LATEST = 1_500_000_000, 1_900_000_000  # UNIX seconds, 2017 to 2030
_CAMPAIGNS = {0: 0.12, 1: 0.22, 2: 0.24, 3: 0.2, 4: 0.13, 5: 0.09}
_LEAST_RATE, _MOST_RATE = 350.0, 1_100.0  # honest frames a minute


def synthesise(seed: int, minutes: float) -> Wire:
    """What passes in so many minutes: a home, a small office or a house full of things.

    Of 3 to 40 machines, with 0 to 5 campaigns against them or from among them. The same arguments
    give the same bytes. Ten minutes hold about 3,000 to 15,000 packets.
    """
    wire = Wire(seed, 0, end=60 * minutes)
    dice = wire.random
    wire.epoch = dice.randint(_EARLIEST, _LATEST)
    site = imagine(wire)
    infected = [attack(site) for _ in range(weighted(dice, _CAMPAIGNS))]
    fill(site, round(minutes * spread(dice, _LEAST_RATE, _MOST_RATE)), infected)
    return wire
