"""Campaigns: an attacker, alone or as a group, and one phase after another."""

from __future__ import annotations

from typing import Final

from training.gateway.synth.control import command
from training.gateway.synth.draws import weighted
from training.gateway.synth.guessing import guess
from training.gateway.synth.intrusion import intrude
from training.gateway.synth.machines import Machine
from training.gateway.synth.overload import flood
from training.gateway.synth.phases import Phase, exfiltrate, infect, mine, move
from training.gateway.synth.reconnaissance import inner_scan, scan
from training.gateway.synth.site import Site

_PLANS: Final[dict[tuple[Phase, ...], float]] = {
    (scan,): 1.5,
    (flood,): 2,
    (guess,): 1.5,
    (command,): 1.5,
    (exfiltrate,): 1.5,
    (mine,): 2,
    (infect,): 1.5,
    (move,): 1.2,
    (scan, guess): 1,
    (scan, guess, command): 0.8,
    (command, exfiltrate): 1,
    (command, inner_scan, move, exfiltrate): 0.8,
    (inner_scan, move): 0.8,
    (infect, command, flood): 0.6,
    (guess, mine): 0.6,
    (command, mine): 0.9,
}


def attack(site: Site) -> Machine:
    """One campaign, from some moment on, each phase after a part of the time that is left.

    Returns the machine of the house that is infected, if it comes to that.
    """
    dice, end = site.wire.random, site.wire.end
    intrusion = intrude(site)
    plan, at = weighted(dice, _PLANS), site.moment(before_end=end / 6)
    for left in range(len(plan), 0, -1):
        plan[-left](intrusion, at)
        at += (end - at) / left * dice.uniform(0.4, 1)
    return intrusion.foothold
