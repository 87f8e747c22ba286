"""PlaybookTeacher for the gateway: soft rules, with reasons, that a defender would write down.

A rule looks at the facts of an observation (`agent.observation`, in its units) and says how much it
applies, 0 to 1, and what it then advises. Rules are taken from the weakest to the strongest: each
moves the advice so far towards its own by as much as it applies, starting from "allow".

A local host that misbehaves as a host (it scans, it spreads) is isolated; blocking the peers that
it tries would block them for everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from training.teacher.teacher import StateText

Array = NDArray[np.float64]
Facts = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class PlaybookRule:
    """One rule: when it applies, what it advises, and why.

    ``local`` and ``remote`` are distributions over allow, throttle, block, isolate, for flows that
    a local and a remote host opened.
    """

    name: str
    reason: str
    applies: Callable[[Facts], Array]
    local: tuple[float, float, float, float]
    remote: tuple[float, float, float, float]


def ramp(x: Array, none: float, full: float) -> Array:
    """0 up to ``none``, 1 from ``full`` on, linear in log(1 + x) between."""
    low, high = np.log1p(none), np.log1p(full)
    return np.clip((np.log1p(np.maximum(x, 0)) - low) / (high - low), 0.0, 1.0)


def _unanswered(f: Facts) -> Array:
    """Whether the initiator's host mostly gets no answer, or a refusal."""
    return np.maximum(
        ramp(f["src_unanswered_long"], 0.4, 0.7), ramp(f["src_unanswered_short"], 0.6, 0.9)
    )


def _unanswered_connections(f: Facts) -> Array:
    return (
        ramp(f["src_flows_long"], 15, 40) * ramp(f["src_unanswered_long"], 0.6, 0.9)
        * (f["responder_group"] == 0) * (f["answered"] == 0)
    )  # fmt: skip


def _beacon(f: Facts) -> Array:
    small = 1 - ramp(f["payload_fwd"] + f["payload_bwd"], 5e4, 5e5)
    usual = np.maximum(f["service_name"], np.maximum(f["service_infra"], f["service_mail"]))
    return (
        ramp(f["pair_flows"], 5, 12) * ramp(f["pair_gap_regularity"], 0.75, 0.9)
        * ramp(f["pair_gap_mean"], 4, 10) * small * (1 - usual)
        * (f["responder_local"] == 0) * (f["responder_group"] == 0)
    )  # fmt: skip


def _exfiltration(f: Facts) -> Array:
    lopsided = ramp(f["payload_fwd"] / (f["payload_bwd"] + 1e3), 3, 15)
    return (
        ramp(f["payload_fwd"], 5e4, 3e5) * lopsided * ramp(f["duration"], 3e4, 1.8e5)
        * (1 - ramp(f["pair_age"], 1e4, 4e4)) * (f["initiator_local"] > 0)
        * (f["responder_local"] == 0) * (f["responder_group"] == 0)
    )  # fmt: skip


def _flood(f: Facts) -> Array:
    return (
        ramp(f["packets_fwd"], 100, 500) * ramp(f["rate"], 2e4, 2e5) * (f["answered"] == 0)
        * (f["responder_group"] == 0)
    )  # fmt: skip


def _syn_flood(f: Facts) -> Array:
    crowd = ramp(f["dst_half_open_short"], 40, 120)
    mostly = ramp(f["dst_half_open_short"] / (f["dst_flows_short"] + 1), 0.5, 0.8)
    return crowd * mostly * (f["tcp"] > 0) * (f["established"] == 0)


def _brute_force(f: Facts) -> Array:
    asks = np.maximum(f["service_login"], 0.7 * np.maximum(f["service_file"], f["service_mail"]))
    often = ramp(f["pair_flows"], 6, 15) * ramp(f["pair_flows"] / (f["pair_age"] + 1), 0.01, 0.04)
    little = 1 - ramp(f["pair_upload"] / (f["pair_flows"] + 1), 4e3, 2e4)
    return asks * often * little * (f["tcp"] > 0)


def _slow_scan(f: Facts) -> Array:
    fan = np.maximum(ramp(f["src_peers_long"], 25, 70), ramp(f["src_ports_long"], 25, 70))
    return fan * _unanswered(f) * (f["responder_group"] == 0)


def _host_sweep(f: Facts) -> Array:
    return ramp(f["src_peers_short"], 10, 30) * _unanswered(f) * (f["responder_group"] == 0)


def _port_scan(f: Facts) -> Array:
    return ramp(f["src_ports_short"], 10, 30) * _unanswered(f) * (f["responder_group"] == 0)


def _worm(f: Facts) -> Array:
    asks = np.maximum(f["service_login"], f["service_file"])
    return asks * ramp(f["src_peers_long"], 12, 30) * _unanswered(f)


def _known_offender(f: Facts) -> Array:
    return ramp(f["src_alerts"], 8, 24) * ramp(f["src_unanswered_long"], 0.3, 0.6)


PLAYBOOK: tuple[PlaybookRule, ...] = (
    PlaybookRule(
        "unanswered connections",
        "A host that mostly gets no answer is misconfigured or looking for something: slow it.",
        _unanswered_connections, (0.3, 0.7, 0.0, 0.0), (0.3, 0.5, 0.2, 0.0),
    ),
    PlaybookRule(
        "beacon",
        "Small exchanges with one remote service on a clock are telemetry or command and control;"
        " a throttle costs telemetry nothing.",
        _beacon, (0.25, 0.6, 0.15, 0.0), (0.5, 0.4, 0.1, 0.0),
    ),
    PlaybookRule(
        "bulk upload to a new peer",
        "Data that leaves for a remote host not used before, with little coming back, may be a"
        " theft; slowing it buys time to ask.",
        _exfiltration, (0.15, 0.75, 0.1, 0.0), (0.5, 0.5, 0.0, 0.0),
    ),
    PlaybookRule(
        "flood",
        "Many packets at a high rate that nobody answers serve no user.",
        _flood, (0.05, 0.35, 0.6, 0.0), (0.05, 0.15, 0.8, 0.0),
    ),
    PlaybookRule(
        "SYN flood",
        "While a server has many half-open connections, those that do not complete their handshake"
        " are the flood, or cannot be told from it.",
        _syn_flood, (0.05, 0.2, 0.7, 0.05), (0.05, 0.15, 0.8, 0.0),
    ),
    PlaybookRule(
        "brute force",
        "Many short sessions with one login service are guesses at a password.",
        _brute_force, (0.05, 0.15, 0.75, 0.05), (0.05, 0.1, 0.85, 0.0),
    ),
    PlaybookRule(
        "slow scan",
        "Dozens of hosts or ports in ten minutes, most without an answer: a patient scan.",
        _slow_scan, (0.1, 0.4, 0.0, 0.5), (0.05, 0.15, 0.8, 0.0),
    ),
    PlaybookRule(
        "host sweep",
        "Dozens of hosts in ten seconds, most without an answer: a sweep.",
        _host_sweep, (0.03, 0.15, 0.02, 0.8), (0.05, 0.05, 0.9, 0.0),
    ),
    PlaybookRule(
        "port scan",
        "Dozens of ports in ten seconds, most closed or silent: a scan.",
        _port_scan, (0.03, 0.15, 0.02, 0.8), (0.05, 0.05, 0.9, 0.0),
    ),
    PlaybookRule(
        "worm",
        "A host that tries login or file services on many hosts spreads something: cut it off"
        " before it succeeds.",
        _worm, (0.02, 0.05, 0.03, 0.9), (0.02, 0.05, 0.93, 0.0),
    ),
    PlaybookRule(
        "known offender",
        "A host with a history of alerts that goes on failing is not an accident any more.",
        _known_offender, (0.05, 0.25, 0.0, 0.7), (0.03, 0.07, 0.9, 0.0),
    ),
)  # fmt: skip


def rule_weights(facts: Facts) -> Array:
    """How much each rule of `PLAYBOOK` applies to ``n`` states: ``(n, rules)``, 0 to 1."""
    return np.stack([rule.applies(facts) for rule in PLAYBOOK], axis=1)


def advise(facts: Facts) -> Array:
    """Advice for ``n`` states given as columns: ``(n, 4)``, rows sum to 1."""
    local = facts["initiator_local"] > 0
    advice = np.zeros((len(local), 4))
    advice[:, 0] = 1.0
    weights = rule_weights(facts)
    for k, rule in enumerate(PLAYBOOK):
        weight = weights[:, k : k + 1]
        target = np.where(local[:, None], rule.local, rule.remote)
        advice = (1.0 - weight) * advice + weight * target
    return advice


class PlaybookTeacher:
    """The `Teacher` over `PLAYBOOK`; no model, no training."""

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, 4)`` float32, rows sum to 1."""
        facts = {k: np.array([state.facts[k] for state in states]) for k in states[0].facts}
        return torch.as_tensor(advise(facts), dtype=torch.float32)
