"""Who does what: honest traffic until there is as much as there should be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from training.gateway.synth.benign import household, personal
from training.gateway.synth.draws import weighted
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site

Habit: TypeAlias = Callable[[Site, Machine], None]

_PEOPLE: Final[dict[Habit, float]] = {
    **{personal.browse: 18, personal.mistype: 2.5, personal.deaf_resolver: 0.3, personal.tabs: 1.5},
    **{personal.watch: 0.8, personal.fetch: 0.8, personal.post: 2, personal.talk: 0.9},
    **{personal.play: 0.5, personal.tunnel: 0.8, personal.share: 0.6, household.listen: 2},
    **{household.back_up: 0.7, household.open_share: 1, household.print_pages: 0.5},
    **{household.administer: 0.7, household.retry: 0.4, household.report: 1},
    household.ping_out: 0.3,
}
_THINGS: Final[dict[Habit, float]] = {
    **{household.report: 5, household.listen: 1.5, household.retry: 0.4, personal.fetch: 0.3},
    **{personal.mistype: 0.3, personal.browse: 2, household.back_up: 0.3, household.ping_out: 0.5},
}
_SERVERS: Final[dict[Habit, float]] = {
    **{household.serve: 2.5, household.back_up: 1, household.watch_over: 0.7, personal.post: 1},
    **{household.report: 1.5, personal.fetch: 1, household.open_share: 1, household.retry: 0.5},
    **{household.administer: 0.7, personal.share: 0.4, household.listen: 0.7},
}
_HABITS: Final[dict[str, dict[Habit, float]]] = {
    **{"desktop": _PEOPLE, "thing": _THINGS, "printer": _THINGS, "server": _SERVERS},
    "phone": {**_PEOPLE, household.listen: 5, household.administer: 0.05},
    "media": {personal.watch: 3, personal.play: 0.6, personal.browse: 4, household.report: 3},
}


def fill(site: Site, frames: int, busy: Sequence[Machine] = ()) -> None:
    """Let machines follow their habits until the wire has so many frames more.

    Each does something, and the ``busy`` ones more: an infected machine is in use, too.
    """
    dice, enough = site.wire.random, len(site.wire) + frames
    for each in site.machines:
        household.live(site, each)
    for each in (*site.machines, *busy, *busy):
        weighted(dice, _HABITS[each.kind])(site, each)
    while len(site.wire) < enough:
        each = dice.choice(site.machines)
        weighted(dice, _HABITS[each.kind])(site, each)
