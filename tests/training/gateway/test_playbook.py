"""The gateway playbook, rule by rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agent.decision import VERDICTS, Verdict
from tests.training.gateway.flows import SCAN, flow
from tests.training.gateway.observed import observe
from training.gateway.playbook import PLAYBOOK, PlaybookTeacher, advise, ramp
from training.gateway.playbook_policy import advice_on
from training.gateway.state import state_of


def facts(**values: float) -> dict[str, np.ndarray[Any, Any]]:
    """An answered outbound TCP flow, but for ``values``."""
    return {name: np.array([value]) for name, value in flow(**values).items()}


CASES = {
    "quiet": ({}, Verdict.ALLOW),
    "local port scan": (SCAN | {"src_ports_short": 60, "src_ports_long": 60}, Verdict.ISOLATE),
    "remote port scan": (
        SCAN | {"src_ports_short": 60, "src_ports_long": 60, "initiator_local": 0}, Verdict.BLOCK,
    ),
    "remote host sweep": (
        SCAN | {"src_peers_short": 60, "src_peers_long": 60, "initiator_local": 0}, Verdict.BLOCK,
    ),
    "worm": (SCAN | {"src_peers_long": 40, "service_file": 1}, Verdict.ISOLATE),
    "syn flood": (
        {"established": 0, "dst_half_open_short": 300, "dst_flows_short": 310,
         "initiator_local": 0}, Verdict.BLOCK,
    ),
    "brute force": (
        {"service_login": 1, "pair_flows": 30, "pair_age": 100, "pair_upload": 6e4,
         "initiator_local": 0}, Verdict.BLOCK,
    ),
    "beacon": (
        {"pair_flows": 20, "pair_gap_regularity": 0.95, "pair_gap_mean": 30}, Verdict.THROTTLE,
    ),
    "slow upload to a new peer": (
        {"payload_fwd": 2e6, "payload_bwd": 2e4, "duration": 6e5, "pair_age": 600},
        Verdict.THROTTLE,
    ),
    "backup to a known local server": (
        {"payload_fwd": 2e8, "payload_bwd": 1e5, "duration": 6e5, "responder_local": 1},
        Verdict.ALLOW,
    ),
    "video call": (
        {"tcp": 0, "udp": 1, "payload_fwd": 3e7, "payload_bwd": 3e7, "rate": 4e5,
         "packets_fwd": 3e4, "packets_bwd": 3e4, "duration": 6e5}, Verdict.ALLOW,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_playbook_says_what_a_defender_would(name: str) -> None:
    values, verdict = CASES[name]
    advice = advise(facts(**values))[0]
    assert advice.sum() == pytest.approx(1)
    assert Verdict(int(advice.argmax())) == verdict, dict(zip(VERDICTS, advice, strict=True))


def test_every_rule_has_a_reason_and_proper_distributions() -> None:
    for rule in PLAYBOOK:
        assert len(rule.reason) > 40
        assert sum(rule.local) == pytest.approx(1)
        assert sum(rule.remote) == pytest.approx(1)


def test_a_ramp_is_soft() -> None:
    assert ramp(np.array([0.0, 10, 20, 100]), 10, 100).tolist() == pytest.approx(
        [0, 0, np.log(21 / 11) / np.log(101 / 11), 1]
    )


def test_the_teacher_answers_for_states(samples: Path) -> None:
    observations = observe(samples / "office.pcap", 50, np.random.default_rng(1))
    rows = PlaybookTeacher().distribution([state_of(row) for row in observations])
    assert rows.shape == (len(observations), 4)
    assert torch.allclose(rows.sum(dim=1), torch.ones(len(rows)))
    assert np.allclose(rows.numpy(), advice_on(observations), atol=1e-4)
