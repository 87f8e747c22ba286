"""Outcomes by family, through the agent's own replay."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.decision import Verdict
from tests.training.gateway.corpora import SAMPLES, sample
from training.gateway.evaluate import Evaluation, Outcome, evaluate
from training.gateway.record import AllowAll

CAPTURES = [sample("home"), sample("beacon")]


class _Always:
    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = np.zeros((len(observations), 4), np.float32)
        logits[:, self.verdict] = 1e3
        return logits


def test_what_allows_everything_lets_everything_pass() -> None:
    found = evaluate(CAPTURES, SAMPLES, AllowAll())
    assert found.all_malicious.bytes_passed == found.all_benign.bytes_passed == 1
    assert found.all_malicious.stopped == found.all_benign.throttled == 0
    assert math.isnan(found.all_malicious.packets)


def test_what_isolates_everything_stops_it_before_its_second_packet() -> None:
    found = evaluate(CAPTURES, SAMPLES, _Always(Verdict.ISOLATE))
    assert found.all_malicious.stopped == 1
    assert found.all_malicious.packets <= 1
    assert found.all_malicious.bytes_passed < 0.1
    assert found.all_benign.stopped > 0.99


def test_families_of_all_captures_are_told_apart() -> None:
    found = evaluate(CAPTURES, SAMPLES, _Always(Verdict.THROTTLE))
    assert set(found.malicious) == {"port scan", "c2 beacon", "slow exfiltration"}
    assert sum(each.flows for each in found.malicious.values()) == found.all_malicious.flows
    assert sum(each.flows for each in found.benign.values()) == found.all_benign.flows
    assert found.all_malicious.throttled == pytest.approx(1)


def test_outcomes_come_back_from_json() -> None:
    found = Evaluation(
        {"scan": Outcome(3, 0.5, 0.1, float("nan"), 0.2)},
        {"web": Outcome(2, 0.0, 0.0, 4.0, 1.0)},
        Outcome(3, 0.5, 0.1, 2.0, 0.2),
        Outcome(2, 0.0, 0.0, 4.0, 1.0),
    )
    again = Evaluation.of_json(json.loads(json.dumps(found.as_json())))
    assert again.as_json() == found.as_json()
    assert math.isnan(again.malicious["scan"].packets)
    assert again.benign == found.benign
