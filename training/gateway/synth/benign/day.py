"""Who does what: honest traffic until there is as much as there should be."""

from __future__ import annotations

from collections.abc import Sequence

from training.gateway.synth.benign import household
from training.gateway.synth.benign.habits import EVERYDAY, TOPICS, Habit
from training.gateway.synth.draws import spread, weighted
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site

_KINDS = ("desktop", "phone", "media", "thing", "printer", "server")
_UNKNOWN = 0.25  # share of a topic's habits that a house does not have
_BUSYNESS = {"server": 4.0}  # there are few of them, and many habits are theirs
_FAVOURED = 4.0  # how much more often a machine does what it is used for


def fill(site: Site, frames: int, busy: Sequence[Machine] = ()) -> None:
    """Let machines follow their habits until the wire has so many frames more.

    Each does something, and the ``busy`` ones more: an infected machine is in use, too.
    """
    dice, enough = site.wire.random, len(site.wire) + frames
    habits = _habits(site)
    busyness = [spread(dice, 0.3, 3) * _BUSYNESS.get(each.kind, 1) for each in site.machines]
    for each in site.machines:
        household.live(site, each)
    for each in (*site.machines, *busy, *busy):
        weighted(dice, habits[each.host.ip])(site, each)
    while len(site.wire) < enough:
        each = dice.choices(site.machines, busyness)[0]
        weighted(dice, habits[each.host.ip])(site, each)


def _habits(site: Site) -> dict[str, dict[Habit, float]]:
    """What each machine does and how often, by its address: a house's ways, and its own."""
    dice, ways = site.wire.random, _ways(site)
    habits = {each.host.ip: dict(ways[each.kind]) for each in site.machines}
    for own in habits.values():
        for favourite in dice.sample(list(own), min(len(own), dice.randint(0, 3))):
            own[favourite] *= _FAVOURED
    return habits


def _ways(site: Site) -> dict[str, dict[Habit, float]]:
    """What machines of each kind do in this house: some of everything, and as often as it likes."""
    dice = site.wire.random
    ways: dict[str, dict[Habit, float]] = {kind: {} for kind in _KINDS}
    for habit, weights in EVERYDAY.items():
        liking = spread(dice, 0.4, 2.5)
        _take_up(ways, habit, weights, liking)
    for topic in TOPICS:
        strength = spread(dice, 0.5, 6) if dice.random() < topic.chance[site.kind] else 0.0
        for habit, weights in topic.habits.items():
            liking = strength * spread(dice, 0.3, 3)
            if liking and dice.random() >= _UNKNOWN:
                _take_up(ways, habit, weights, liking)
    return ways


def _take_up(
    ways: dict[str, dict[Habit, float]], habit: Habit, weights: dict[str, float], liking: float
) -> None:
    for kind, weight in weights.items():
        ways[kind][habit] = weight * liking
