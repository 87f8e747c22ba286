"""Thresholds on a signal: which verdict is due, and which thresholds earn most."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.decision import Verdict
from tests.training.gateway.baselines.made import Made, labelled, recording
from training.errors import CorpusError
from training.gateway.baselines.thresholds import (
    Thresholded,
    Thresholds,
    holding,
    quantiles,
    tune,
)
from training.gateway.earned import chooser, earned
from training.gateway.rewards import Rewards

# Stopping from 0.6 on earns 20 - 5, from 0.7 on 10 - 5 - 5, and from 0.9 on 10 - 5.
MIXED = recording(*labelled(0, [0.1, 0.2, 0.3, 0.7]), *labelled(1, [0.6, 0.9]), Made(-1, first=1))
CANDIDATES = [0.15, 0.6, 0.7, 0.9]
STAKES = 2 * 10 + 4 * 5


def first(observations: NDArray[np.float32]) -> NDArray[np.float32]:
    return observations[:, 0]


def test_each_threshold_is_where_its_verdict_begins() -> None:
    signal = np.array([0.1, 0.2, 0.3, 0.5, 0.7, 1.0], np.float32)
    due = Thresholds(0.2, 0.5, 0.9).verdicts(signal)
    assert due.tolist() == [0, 1, 1, 2, 2, 3]
    assert Thresholds().verdicts(signal).tolist() == [0] * 6
    assert Thresholds(0.5, 0.5).verdicts(signal).tolist() == [0, 0, 0, 2, 2, 2]


def test_logits_say_what_is_due_beyond_doubt() -> None:
    policy = Thresholded(first, Thresholds(0.2, 0.5, 0.9))
    logits = policy.logits(MIXED.observations)
    assert logits.argmax(1).tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert (np.sort(logits, axis=1)[:, -2:] == [0, 1000]).all()


@pytest.mark.parametrize(
    ("block", "points", "harm"), [(0.6, 15, 0.25), (0.7, 0, 0.25), (0.9, 5, 0), (math.inf, -10, 0)]
)
def test_points_by_hand(block: float, points: float, harm: float) -> None:
    """Nine seconds of ten are another's: no rule stops more than its flow."""
    policy = Thresholded(first, Thresholds(block, block))
    found = policy.earned(holding(first, [MIXED]), Rewards())
    assert found.points == pytest.approx(points)
    assert found.share == pytest.approx(points / STAKES)
    assert found.harm == pytest.approx(harm)


def test_a_signal_that_is_held_earns_what_the_policy_earns() -> None:
    policy = Thresholded(first, Thresholds(0.2, 0.6, 0.9))
    held = policy.earned(holding(first, [MIXED]), Rewards())
    assert held == earned([MIXED], chooser(policy), Rewards())


def test_what_earns_most_is_chosen() -> None:
    found = tune(first, [MIXED], Rewards(), CANDIDATES)
    assert found == Thresholds(throttle=0.6, block=0.6, isolate=math.inf)
    dear = Rewards(stop_legitimate=-50)
    assert tune(first, [MIXED], dear, CANDIDATES, verdicts=[Verdict.BLOCK]).block == 0.9
    wrong = recording(*labelled(0, [0.9]), *labelled(1, [0.1]))
    assert tune(first, [wrong], dear, [0.1, 0.9]) == Thresholds()


def test_harm_is_limited() -> None:
    for most, block in ((0.0, 0.9), (0.2, 0.9), (0.25, 0.6)):
        found = tune(
            first, [MIXED], Rewards(), CANDIDATES, verdicts=[Verdict.BLOCK], most_harm=most
        )
        assert found.block == block
    with pytest.raises(CorpusError, match="stop_legitimate"):
        tune(first, [MIXED], Rewards(stop_legitimate=0), CANDIDATES, most_harm=0.1)


def test_candidates_stop_shares_of_legitimate_flows() -> None:
    """Of a thousand none, one, three, ten, thirty, and so on; malicious flows do not count."""
    signals = np.arange(1000, dtype=np.float32) / 1000
    made = recording(*labelled(0, signals.tolist()), *labelled(1, [5.0]))
    candidates = quantiles(first, [made])
    assert [int((signals >= each).sum()) for each in candidates] == [
        1000, 300, 100, 30, 10, 3, 1, 0,
    ]  # fmt: skip
    assert candidates[-1] == pytest.approx((0.999 + 5) / 2)
    assert candidates[0] < 0


def test_candidates_where_nothing_is_legitimate() -> None:
    (candidate,) = quantiles(first, [recording(*labelled(1, [0.5]))])
    assert candidate < 0.5
