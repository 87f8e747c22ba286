"""fail2ban's rule, computed by hand."""

from __future__ import annotations

import pytest

from agent.decision import Verdict
from tests.training.gateway.baselines.made import Made, observations, recording
from training.gateway.baselines.fail2ban import MAXRETRY, fail2ban, failures, tuned
from training.gateway.rewards import Rewards

STRANGER = {"src_flows_long": 40.0, "src_unanswered_long": 0.75, "src_refused_long": 0.5}
LOGINS = {"service_login": 1.0, "pair_flows": 8.0, "pair_gap_mean": 20.0, "pair_upload": 16_000.0}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, 0),
        # Of 40 flows in ten minutes three quarters met nobody; a refusal is no answer, either.
        (STRANGER, 30),
        ({"src_flows_long": 40.0, "src_unanswered_long": 0.1, "src_refused_long": 0.5}, 20),
        (STRANGER | {"responder_group": 1.0}, 0),
        # Eight logins of 2,000 bytes each.
        (LOGINS, 8),
        (LOGINS | {"service_login": 0.0, "service_mail": 1.0}, 8),
        (LOGINS | {"service_login": 0.0, "service_web": 1.0}, 0),
        (LOGINS | {"tcp": 0.0, "udp": 1.0}, 0),
        # What sends 10,000 bytes a flow has got in.
        (LOGINS | {"pair_upload": 80_000.0}, 0),
        # One in 300 seconds: the latest, and two before it within ten minutes.
        (LOGINS | {"pair_gap_mean": 300.0}, 3),
        (LOGINS | STRANGER, 30),
    ],
)
def test_failures(facts: dict[str, float], expected: int) -> None:
    assert failures(observations(facts)).tolist() == [expected]


def test_who_fails_as_often_as_that_is_blocked() -> None:
    tries = [{"src_flows_long": float(n), "src_unanswered_long": 1.0} for n in (4, 5, 6)]
    verdicts = fail2ban().logits(observations(*tries)).argmax(1)
    assert MAXRETRY == 5
    assert verdicts.tolist() == [Verdict.ALLOW, Verdict.BLOCK, Verdict.BLOCK]


def test_maxretry_is_tuned() -> None:
    """Honest sources fail up to 12 times, others 40 times: the mildest between is 20."""
    tries = {0: (0, 2, 12), 1: (40, 40)}
    flows = [
        Made(label, facts={"src_flows_long": float(n), "src_unanswered_long": 1.0})
        for label, counts in tries.items()
        for n in counts
    ]
    found = tuned([recording(*flows)], Rewards()).thresholds
    assert found == (20, 20, float("inf"))
