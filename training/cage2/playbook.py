"""PlaybookTeacher for CAGE-2: soft rules, with reasons, that a defender would write down.

A rule looks at what is known of the hosts (`training.cage2.describe`, and what a memory recalls, if
anything) and says of each host how much it applies there, 0 to 1, and what it then advises to do on
it. Rules are taken from the weakest to the strongest: each moves the advice so far towards its own
by as much as it applies, starting from "wait".

Nothing here was learned from rewards, and nothing asks which attacker plays or what any host is
called. Four things are known beforehand: attackers come from the outside and go inwards; they try
the most rewarding service that they see first; a restore costs as much as ten steps with a cheap
host in the attacker's hands; and monitoring reports whoever touches a decoy that is just starting
as if the attack had worked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from training.cage2.situation import Array, Situation, layout_of, ramp, situate
from training.teacher.teacher import StateText

_SHARP: Final = 4  # how much more a rule says of the host where it applies most


@dataclass(frozen=True, slots=True)
class PlaybookRule:
    """One rule: where it applies, what it advises there, and why.

    ``does`` is a distribution over wait, analyse, remove, restore, and placing a decoy.
    """

    name: str
    reason: str
    applies: Callable[[Situation], Array]  # (n, H)
    does: tuple[float, float, float, float, float]


def _outermost(s: Situation) -> Array:
    """Near 1 where attackers arrive first."""
    return 0.8 + 0.05 * np.minimum(s.distance, 4)


def _innermost(s: Situation) -> Array:
    return 1 - 0.05 * np.minimum(s.distance, 4)


def _more_decoys(s: Situation) -> Array:
    """Each decoy on a host adds less than those before it, and any is better than none."""
    adds = (s.vital + 0.05 * (s.cost > 0)) * s.gain * _outermost(s)
    best = adds.max(axis=1, keepdims=True)
    return 0.9 * (adds / np.maximum(best, 1e-9)) ** (2 / _SHARP)


def _scanned(s: Situation) -> Array:
    return 0.8 * (s.activity == 1) * s.has_place * (0.4 * s.cheap + s.vital)


def _behind_a_scan(s: Situation) -> Array:
    since = np.minimum(s.scanned_ago, s.exploited_ago)
    unseen = np.isfinite(since) & (s.acted_ago > since)
    return 0.8 * ((s.activity > 0) | unseen) * (s.verdict <= 1) * s.vital * _innermost(s)


def _user_access_on_cheap(s: Situation) -> Array:
    return 0.8 * (s.verdict == 2) * s.cheap * _innermost(s) * (1 - 0.5 * s.restored)


def _doubt(s: Situation) -> Array:
    """Sessions were removed, and nobody has looked since."""
    looked_at = (s.acted_ago < s.exploited_ago) & ~s.just_removed | s.just_analysed
    return (s.verdict == 1) * (1.0 - looked_at)


def _doubt_on_cheap(s: Situation) -> Array:
    return 0.8 * _doubt(s) * s.cheap * (1 - 0.5 * s.restored)


def _control_of_cheap(s: Situation) -> Array:
    worth = ramp(s.cost * s.remaining, 2, 5)
    return 0.7 * (s.verdict == 3) * worth * s.cheap * (1 - 0.9 * s.restored)


def _bare(s: Situation) -> Array:
    return 0.95 * (s.gain >= 0.5) * s.vital * _outermost(s)


def _doubt_on_vital(s: Situation) -> Array:
    return 0.8 * _doubt(s) * s.vital * _innermost(s)


def _user_access_on_vital(s: Situation) -> Array:
    return 0.85 * (s.verdict == 2) * s.vital * _innermost(s)


def _false_alarm(s: Situation) -> Array:
    return 0.8 * s.just_placed * (s.activity == 2) * (s.verdict == 2) * s.vital


def _control_of_vital(s: Situation) -> Array:
    return 0.9 * (s.verdict == 3) * s.vital * _innermost(s)


def _server(s: Situation) -> Array:
    return 0.95 * (s.verdict >= 2) * (s.distance == 0)


PLAYBOOK: tuple[PlaybookRule, ...] = (
    PlaybookRule(
        "more decoys",
        "While nothing happens, every decoy makes it likelier that the next attack goes to one;"
        " hosts that matter and attackers' favourite services first.",
        _more_decoys, (0.05, 0.0, 0.0, 0.0, 0.95),
    ),
    PlaybookRule(
        "behind a scan",
        "What is reported as a scan may be an attack that was not recognised, and looking costs"
        " nothing.",
        _behind_a_scan, (0.1, 0.75, 0.05, 0.0, 0.1),
    ),
    PlaybookRule(
        "user access, cheap host",
        "A removal costs nothing and may be enough; a restore would cost more than the host.",
        _user_access_on_cheap, (0.05, 0.2, 0.7, 0.05, 0.0),
    ),
    PlaybookRule(
        "in doubt, cheap host",
        "A removal says nothing of its success: look whether malware is left.",
        _doubt_on_cheap, (0.1, 0.8, 0.05, 0.05, 0.0),
    ),
    PlaybookRule(
        "full control, cheap host",
        "A restore pays if the episode is long enough, and if the host was not lost again after"
        " one before.",
        _control_of_cheap, (0.05, 0.0, 0.05, 0.9, 0.0),
    ),
    PlaybookRule(
        "scanned",
        "Who scans a host attacks it next: if a decoy still fits there, start it.",
        _scanned, (0.05, 0.15, 0.0, 0.0, 0.8),
    ),
    PlaybookRule(
        "bare",
        "A host that matters and has no good decoy yet; attackers reach the outer ones first.",
        _bare, (0.03, 0.02, 0.0, 0.0, 0.95),
    ),
    PlaybookRule(
        "in doubt, vital host",
        "Nobody knows whether the removal came in time: look, or restore at once.",
        _doubt_on_vital, (0.05, 0.55, 0.0, 0.4, 0.0),
    ),
    PlaybookRule(
        "user access, vital host",
        "The attacker's next step is full control. A removal misses sessions that monitoring did"
        " not tie to a process; a restore misses none.",
        _user_access_on_vital, (0.0, 0.05, 0.2, 0.75, 0.0),
    ),
    PlaybookRule(
        "perhaps a false alarm",
        "Whoever touches a decoy while it starts is reported as if the attack had worked: remove,"
        " then look.",
        _false_alarm, (0.05, 0.2, 0.6, 0.15, 0.0),
    ),
    PlaybookRule(
        "full control, vital host",
        "Only a restore helps, and each step without it costs as much.",
        _control_of_vital, (0.0, 0.03, 0.02, 0.95, 0.0),
    ),
    PlaybookRule(
        "the server",
        "An attacker on the server is one step from stopping the service.",
        _server, (0.0, 0.02, 0.03, 0.95, 0.0),
    ),
)  # fmt: skip

_DOES: Final = np.array([rule.does for rule in PLAYBOOK])


def rule_weights(s: Situation) -> Array:
    """How much each rule of `PLAYBOOK` applies to each host: ``(n, rules, H)``, 0 to 1."""
    return np.stack([rule.applies(s) for rule in PLAYBOOK], axis=1)


def influence(weights: Array) -> Array:
    """How much of the advice is each rule's: ``(n, rules)``; what is left is "wait"."""
    strongest = weights.max(axis=2)
    left = np.cumprod(1 - strongest[:, ::-1], axis=1)[:, ::-1]
    later = np.concatenate([left[:, 1:], np.ones_like(left[:, :1])], axis=1)
    return strongest * later


def advise(states: Sequence[StateText]) -> Array:
    """Advice for states of one scenario: ``(n, actions)``, rows sum to 1."""
    layout = layout_of(states[0].actions)
    situation = situate(states, layout)
    weights = rule_weights(situation)
    sharp = weights**_SHARP + 1e-30  # a rule that applies nowhere has no influence
    hosts = sharp / sharp.sum(axis=2, keepdims=True)
    shares = influence(weights)[:, :, None] * hosts
    _, *on_host, decoy = np.einsum("nrh,rd->dnh", shares, _DOES)
    advice = np.zeros((len(states), len(states[0].actions)))
    for columns, mass in zip(layout.on_host, on_host, strict=True):
        advice[:, columns] = mass
    placed = decoy[:, :, None] * situation.choice
    advice[:, layout.decoys[layout.decoys >= 0]] = placed[:, layout.decoys >= 0]
    advice[:, layout.wait] = 1 - advice.sum(axis=1)
    return advice


def explain(state: StateText) -> list[tuple[str, str, float]]:
    """The rules that have a say in a state: name, reason, and share of the advice, greatest first.

    The shares do not sum to 1: what is left is "wait".
    """
    situation = situate([state], layout_of(state.actions))
    shares = influence(rule_weights(situation))[0]
    by_share = sorted(zip(shares.tolist(), PLAYBOOK, strict=True), key=lambda pair: -pair[0])
    return [(rule.name, rule.reason, share) for share, rule in by_share if share > 0]


class PlaybookTeacher:
    """The `Teacher` over `PLAYBOOK`; no model, no training."""

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, A)`` float32, rows sum to 1; all states of one scenario."""
        return torch.as_tensor(advise(states), dtype=torch.float32)
