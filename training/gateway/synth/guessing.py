"""Brute force as phases of campaigns: whose passwords, how fast, and from how many places."""

from __future__ import annotations

from training.gateway.synth.attacks.guess import DIALOGUES, brute_force, guess_by_datagram
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.intrusion import Intrusion


def guess(intrusion: Intrusion, at: float) -> None:
    """Passwords, in one of the ways in which they are tried."""
    kind = intrusion.site.wire.random.random()
    if kind < 0.6:
        _insist(intrusion, at)
    elif kind < 0.75:
        _spray(intrusion, at)
    elif kind < 0.9:
        _attack_others(intrusion, at)
    else:
        _register(intrusion, at)


def _insist(intrusion: Intrusion, at: float) -> None:
    """One machine's, by one attacker or by a group that shares the work."""
    site, dice = intrusion.site, intrusion.site.wire.random
    inside = dice.random() < 0.2
    sources = [intrusion.bot] if inside else intrusion.sources
    dialogue = dice.choice(DIALOGUES)
    target = intrusion.victim(dialogue.port)
    tries, gap = dice.choice((1, 1, dice.randint(1, 6), 30)), 1 / intrusion.pace(1 / 15, 20)
    sessions = max(2, min(intrusion.volume(8, 70), int((site.wire.end - at) / gap)))
    sessions = max(2, sessions * 6 // (5 + tries))
    for source in sources:
        for _ in range(dice.choice((1, 1, 2, 4)) if len(sources) == 1 else 1):
            each = max(1, sessions // len(sources))
            brute_force(
                site.wire, at + dice.expovariate(2), source, target, each, dialogue,
                (1, tries), (gap / 2, gap * 1.5),
            )  # fmt: skip


def _spray(intrusion: Intrusion, at: float) -> None:
    """A password or two on each machine of the house, then the next ones."""
    site, dice = intrusion.site, intrusion.site.wire.random
    source = intrusion.bot if dice.random() < 0.5 else intrusion.sources[0]
    dialogue, gap = dice.choice(DIALOGUES), spread(dice, 0.05, 5)
    targets = [each.host for each in site.part(intrusion.foothold, 3, 20, "server", "desktop")]
    rest = spread(dice, 1, 60)
    for _ in range(max(2, min(dice.randint(2, 10), 80 // len(targets)))):
        for target in targets:
            brute_force(site.wire, at, source, target, 1, dialogue, (1, 2))
            at += gap * dice.uniform(0.5, 1.5)
        at += rest


def _attack_others(intrusion: Intrusion, at: float) -> None:
    """The foothold tries strangers' doors, a few sessions each."""
    site, dice = intrusion.site, intrusion.site.wire.random
    dialogue, gap = dice.choice(DIALOGUES), spread(dice, 0.05, 8)
    for _ in range(spread_int(dice, 2, 25)):
        sessions = dice.randint(2, 6)
        brute_force(
            site.wire, at, intrusion.bot, site.remote(), sessions, dialogue,
            (1, dice.randint(1, 3)), (gap / 2, gap * 1.5),
        )  # fmt: skip
        at += dice.expovariate(1 / gap)


def _register(intrusion: Intrusion, at: float) -> None:
    """A telephone's password."""
    site, dice = intrusion.site, intrusion.site.wire.random
    target, gap, one_port = intrusion.victim(5060), 1 / intrusion.pace(0.2, 50), dice.random() < 0.7
    for source in intrusion.sources:
        tries = max(4, intrusion.volume(20, 250) // len(intrusion.sources))
        guess_by_datagram(site.wire, at, source, target, tries, gap, one_port)
