"""What the page of a run shows, by hand and by algebra."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from agent.decision import Verdict
from agent.labels import FlowLabels
from agent.observation import NAMES
from tests.training.gateway.corpora import SAMPLES
from training.gateway.fates import Fates
from training.gateway.measures import (
    PRICES,
    Bin,
    Odds,
    Quartiles,
    families,
    family,
    odds,
    quartiles,
    reliability,
    stopped_at,
    tradeoff,
)
from training.gateway.record import AllowAll, record

NAN = float("nan")
_probabilities = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1))


def _fates(verdicts: list[int], names: list[str], malicious: list[bool]) -> Fates:
    n = len(verdicts)
    return Fates(
        malicious=np.array(malicious),
        family=np.array(names),
        verdict=np.array(verdicts, np.uint8),
        packets=np.arange(n, dtype=np.int64),
        seconds=np.where(np.array(verdicts) >= Verdict.BLOCK, np.arange(n) / 10, NAN),
        bytes=np.full(n, 100, np.int64),
        bytes_passed=np.arange(n, dtype=np.int64) * 10,
        latency_ms=np.full(n, NAN),
    )


def _odds(benign: list[float], **malicious: list[float]) -> Odds:
    sure = [*benign, *(each for values in malicious.values() for each in values)]
    names = ["web"] * len(benign) + [name for name, v in malicious.items() for _ in v]
    guilty = np.array([False] * len(benign) + [True] * (len(sure) - len(benign)))
    return Odds(np.array(sure), guilty, np.array(sure), guilty, np.array(names))


def test_quartiles_leave_out_what_is_no_number() -> None:
    assert quartiles(np.array([NAN, 4.0, 1.0, 2.0, 3.0, 5.0])) == Quartiles(5, 2, 3, 4)
    assert quartiles(np.array([NAN])) is None


def test_a_family_by_hand() -> None:
    found = family(
        _fates([0, 2, 3, 1, 2], ["scan"] * 5, [True] * 5),
        np.array([True, True, True, True, False]),
    )
    assert found.flows == 4
    assert found.shares == {"allow": 0.25, "throttle": 0.25, "block": 0.25, "isolate": 0.25}
    assert found.stopped == 0.5
    assert found.packets == Quartiles(2, 1.25, 1.5, 1.75)
    assert found.seconds is not None
    assert found.seconds.median == pytest.approx(0.15)
    assert found.bytes_passed == pytest.approx(60 / 400)
    assert found.latency_ms is None


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["web", "scan", "c2"]), st.booleans()),
        min_size=1,
    )
)
def test_no_flow_is_lost_and_rows_sum_to_one(flows: list[tuple[int, str, bool]]) -> None:
    verdicts, names, malicious = map(list, zip(*flows, strict=True))
    fates = _fates(verdicts, names, malicious)
    rows = [*families(fates, True).values(), *families(fates, False).values()]
    assert sum(row.flows for row in rows) == len(flows)
    assert all(sum(row.shares.values()) == pytest.approx(1) for row in rows)
    stopped = sum(row.stopped * row.flows for row in rows)
    assert stopped == pytest.approx(sum(verdict >= Verdict.BLOCK for verdict in verdicts))


def test_calibration_by_hand() -> None:
    found = reliability(np.array([0.05, 0.05, 0.95, 1.0]), np.array([False, True, True, True]))
    assert found is not None
    assert found.bins[0] == Bin(2, 0.05, 0.5)
    assert found.bins[9] == Bin(2, 0.975, 1.0)
    assert found.bins[1:9] == (None,) * 8
    assert found.error == pytest.approx((0.45 + 0.025) / 2)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 0.05**2) / 4)
    assert found.base == pytest.approx(0.75 * 0.25)
    assert reliability(np.array([]), np.array([], bool)) is None


@given(_probabilities, st.randoms())
def test_calibration_counts_every_point_and_errs_by_one_at_most(
    said: NDArray[np.float64], random: Random
) -> None:
    truth = np.array([random.random() < 0.5 for _ in said])
    found = reliability(said, truth)
    assert found is not None
    assert sum(each.count for each in found.bins if each) == len(said)
    # By Jensen: the mean over bins is never further off than the mean over points.
    assert 0 <= found.error <= np.sqrt(found.brier) + 1e-9
    sure = reliability(truth.astype(float), truth)
    assert sure is not None
    assert sure.error == sure.brier == 0


def test_prices_by_hand() -> None:
    found = tradeoff(_odds([0.1, 0.2, 0.3, 0.4], c2=[0.5, 0.35], worm=[0.05]))
    assert found is not None
    one = int(np.searchsorted(PRICES, 0.25))
    assert (found.benign[0], found.malicious["c2"][0], found.malicious["worm"][0]) == (0, 0.5, 0)
    assert 0.4 < found.floors[0] < 0.4 + 1e-12
    assert (found.benign[one], found.malicious["c2"][one]) == (0.25, 1)
    assert found.all_malicious[one] == pytest.approx(2 / 3)
    assert (found.floors[-1], found.benign[-1], found.all_malicious[-1]) == (0, 1, 1)


def test_flows_that_the_policy_cannot_tell_apart_are_not_stopped() -> None:
    found = tradeoff(_odds([1.0] * 10, c2=[1.0]))
    assert found is not None
    assert found.floors[0] > 1
    assert found.malicious["c2"][:-1] == (0,) * (len(PRICES) - 1)


@given(_probabilities, _probabilities, _probabilities)
def test_a_higher_price_buys_no_less_and_is_never_exceeded(
    benign: NDArray[np.float64], one: NDArray[np.float64], other: NDArray[np.float64]
) -> None:
    found = tradeoff(_odds(benign.tolist(), one=one.tolist(), other=other.tolist()))
    assert found is not None
    for curve in (found.benign, *found.malicious.values(), found.all_malicious):
        assert all(a <= b for a, b in pairwise(curve))
    assert all(b <= price + 1e-9 for b, price in zip(found.benign, found.prices, strict=True))
    mean = len(one) * np.array(found.malicious["one"]) + len(other) * np.array(
        found.malicious["other"]
    )
    np.testing.assert_allclose(found.all_malicious, mean / (len(one) + len(other)))


def test_a_trade_takes_two_sides() -> None:
    assert tradeoff(_odds([0.5])) is None
    assert tradeoff(_odds([], c2=[0.5])) is None


def test_a_floor_stops_what_reaches_it() -> None:
    assert stopped_at(np.array([0.0, 0.6, 0.61]), np.array([0.2, 0.6])) == (1, 0.5, 0)


class _Patient:
    """Is the surer that a flow must be blocked, the more packets it has sent."""

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = np.zeros((len(observations), 4), np.float32)
        logits[:, Verdict.BLOCK] = observations[:, NAMES.index("packets_fwd")]
        return logits


def test_a_flow_is_as_suspicious_as_its_worst_point() -> None:
    made = record(SAMPLES / "home.pcap", FlowLabels.read(SAMPLES / "home.labels.csv"))
    none = odds(AllowAll(), [made])
    assert none.points.max() == none.flows.max() == 0
    found = odds(_Patient(), [made, made])
    labelled = np.flatnonzero(made.label >= 0)
    assert len(found.flows) == 2 * len(labelled)
    assert len(found.points) == 2 * np.isin(made.flow, labelled).sum()
    likely = np.exp(_Patient().logits(made.observations).astype(float))
    stops = likely[:, 2:].sum(1) / likely.sum(1)
    most = [stops[made.flow == flow].max() for flow in labelled]
    np.testing.assert_allclose(found.flows[: len(labelled)], most)
    assert found.malicious.sum() == 2 * (made.label == 1).sum()
