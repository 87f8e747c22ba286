"""What a replay does to each flow, against what it does to families."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.decision import Verdict
from agent.observation import NAMES, raw_values
from tests.training.gateway.corpora import SAMPLES, sample
from training.gateway.evaluate import evaluate
from training.gateway.fates import Fates, fates
from training.gateway.measures import families
from training.gateway.playbook_policy import PlaybookPolicy
from training.gateway.record import AllowAll

CAPTURES = [sample("home"), sample("beacon")]


class _Between:
    """Gives a verdict to flows that have had so many packets."""

    def __init__(self, verdict: Verdict, least: int, most: float = math.inf) -> None:
        self.verdict, self.least, self.most = verdict, least, most

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        raw = raw_values(observations)
        packets = sum(raw[:, NAMES.index(name)] for name in ("packets_fwd", "packets_bwd"))
        logits = np.zeros((len(observations), 4), np.float32)
        meant = (packets > self.least - 0.5) & (packets < self.most + 0.5)
        logits[:, self.verdict] = np.where(meant, 1e3, -1e3)
        return logits


def _stopped(found: Fates) -> NDArray[np.bool_]:
    return found.verdict >= Verdict.BLOCK


def test_flows_add_up_to_what_the_agents_tally_says() -> None:
    found, expected = (
        fates(CAPTURES, SAMPLES, PlaybookPolicy()),
        evaluate(CAPTURES, SAMPLES, PlaybookPolicy()),
    )
    for malicious, outcomes in ((True, expected.malicious), (False, expected.benign)):
        rows = families(found, malicious)
        assert rows.keys() == outcomes.keys()
        for name, row in rows.items():
            assert row.flows == outcomes[name].flows
            assert row.stopped == pytest.approx(outcomes[name].stopped)
            assert row.shares["throttle"] == pytest.approx(outcomes[name].throttled)
            assert row.bytes_passed == pytest.approx(outcomes[name].bytes_passed)


def test_what_is_allowed_is_never_stopped() -> None:
    found = fates(CAPTURES, SAMPLES, AllowAll())
    assert (found.verdict == Verdict.ALLOW).all()
    assert (found.bytes_passed == found.bytes).all()
    assert np.isnan(found.seconds).all()
    assert np.isnan(found.latency_ms).all()


def test_the_first_verdict_counts_however_often_rules_run_out() -> None:
    """Nothing of what passes once a rule has run out was there before the verdict."""
    at_once = fates(CAPTURES, SAMPLES, _Between(Verdict.BLOCK, 1, 1))
    assert at_once.packets[_stopped(at_once)].max() == 1
    assert at_once.bytes_passed[_stopped(at_once)].max() > 10 * 1500
    later = fates(CAPTURES, SAMPLES, _Between(Verdict.BLOCK, 4))
    assert later.packets[_stopped(later)].max() == 4
    assert np.nanmin(later.seconds) >= 0
    assert np.nanmax(later.seconds) > 0
    assert np.isnan(later.seconds[~_stopped(later)]).all()


def test_throttled_packets_wait() -> None:
    found = fates(CAPTURES, SAMPLES, _Between(Verdict.THROTTLE, 1))
    assert set(found.verdict.tolist()) <= {Verdict.ALLOW, Verdict.THROTTLE}
    assert np.nanmax(found.latency_ms) > 0
    assert np.isnan(found.latency_ms[found.verdict == Verdict.ALLOW]).all()
