"""Caution: thresholds of a policy on the guard's floors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent.decision import Verdict
from agent.observation import FEATURES
from tests.training.gateway.by_hand import BENIGN, MALICIOUS, recording
from training.gateway.caution import Caution, Cautious, cautious, cost, outright
from training.gateway.policy import Chooser, build
from training.gateway.recording import Recording
from training.gateway.settings import Blueprint, Limits
from training.networks import FlatActorCritic


def _suspicious() -> FlatActorCritic:
    """Blocks with the first feature as its log-odds, and never anything else."""
    network = build(Blueprint(hidden=[1], activation="tanh"))
    weights = {name: torch.zeros_like(each) for name, each in network.state_dict().items()}
    weights["actor.0.weight"][0, 0] = 1e-3  # tanh is straight there
    weights["actor.2.weight"][Verdict.BLOCK, 0] = 1e3
    weights["actor.2.bias"][[Verdict.THROTTLE, Verdict.ISOLATE]] = -1e6
    network.load_state_dict(weights)
    return network


def _flows(odds: list[float], label: int, apart: float = 100.0) -> Recording:
    """Flows to a service each, with these log-odds."""
    made = recording([(apart * n, label, n) for n in range(len(odds))])
    observations = np.zeros((len(odds), len(FEATURES)), np.float32)
    observations[:, 0] = odds
    return replace(made, observations=observations)


def test_the_threshold_is_where_legitimate_flows_bear_it() -> None:
    """Of ten legitimate flows one may be stopped: the threshold lies below the most suspicious."""
    corpus = [_flows(list(range(10)), BENIGN)]
    limits = Limits(harm=0.1, slowed=0.0, margin=1, apart=0, spare=0)
    caution = outright(_suspicious(), [corpus], limits)
    assert caution.heat == 0.25  # no less, though the two thresholds are one
    # Nothing is throttled, so that the threshold, nine tenths up the eleven values of which the
    # least stands for nobody, becomes the floor for throttling, a probability of a half.
    assert caution.nats == pytest.approx(8 / 0.25, abs=0.04)
    chooses = Cautious(_suspicious(), caution)
    assert cost(corpus, chooses).stopped == pytest.approx(0.1)


def test_thresholds_keep_their_distance_from_the_limits() -> None:
    corpus = [_flows([float(n) for n in range(200)], BENIGN)]
    near = outright(
        _suspicious(), [corpus], Limits(harm=0.02, slowed=0.03, margin=1, apart=0, spare=0)
    )
    far = outright(
        _suspicious(), [corpus], Limits(harm=0.2, slowed=0.3, margin=10, apart=0, spare=0)
    )
    assert far == near


def test_blocking_is_surer_than_throttling() -> None:
    """By two nats: a flow between the two thresholds is throttled, what is surer is blocked."""
    corpus = [_flows([1.0, 2.0, 3.0], BENIGN)]
    caution = outright(_suspicious(), [corpus], Limits(harm=0, slowed=0, apart=2, spare=0))
    caution.instil(network := _suspicious())
    seen = _flows([2.9, 3.1, 4.9, 5.1], MALICIOUS).observations
    allow, throttle, block = Verdict.ALLOW, Verdict.THROTTLE, Verdict.BLOCK
    assert Chooser(network)(torch.from_numpy(seen)).tolist() == [allow, throttle, throttle, block]


def test_what_is_more_suspicious_is_still_stopped() -> None:
    network = _suspicious()
    corpus = [_flows([0.0, 1.0, 2.0], BENIGN), _flows([5.0, 9.0], MALICIOUS)]
    caution, (costs,) = cautious(
        network, [corpus], Limits(harm=0, slowed=0, besides=0, apart=0, spare=0)
    )
    assert (costs.stopped, costs.slowed) == (0, 0)
    caution.instil(network)
    actions = Chooser(network)(torch.from_numpy(corpus[1].observations))
    assert actions.tolist() == [Verdict.BLOCK, Verdict.BLOCK]


def test_what_rules_do_to_others_counts() -> None:
    """A suspicious stranger shares its peer with ten honest flows that come a second later."""
    flows = [(0.0, MALICIOUS, 0), *((2.0 + n, BENIGN, 0) for n in range(10))]
    made = recording(flows)
    observations = np.zeros((len(flows), len(FEATURES)), np.float32)
    observations[0, 0] = 2.5
    shared = [replace(made, observations=observations)]
    network, limits = _suspicious(), Limits(harm=0.0, slowed=0.0, besides=0.0, apart=0, spare=0)
    alone = Cautious(network, outright(network, [shared], limits))
    assert cost(shared, alone).stopped == 1
    caution, (costs,) = cautious(network, [shared], limits)
    assert costs.stopped == 0
    assert caution.nats > outright(network, [shared], limits).nats


def test_every_corpus_counts_for_itself() -> None:
    quiet = [_flows([0.0] * 90, BENIGN)]
    loud = [_flows([float(n) for n in range(10)], BENIGN)]
    network, limits = _suspicious(), Limits(harm=0.1, slowed=0, margin=1, apart=0, spare=0)
    together = outright(network, [[*quiet, *loud]], limits)
    apart = outright(network, [quiet, loud], limits)
    assert apart.nats > together.nats + 5


@given(st.floats(1, 20), st.floats(0, 10), st.integers(0, 1000))
def test_instilled_or_applied_is_the_same(heat: float, nats: float, seed: int) -> None:
    torch.manual_seed(seed)
    network = build(Blueprint(hidden=[8]))
    observations = np.random.default_rng(seed).normal(size=(20, len(FEATURES))).astype(np.float32)
    caution = Caution(heat, nats)
    wanted = Cautious(network, caution).logits(observations)
    order = Chooser(network).logits(observations)[:, 1:].argsort(axis=1)
    caution.instil(network)
    got = Chooser(network).logits(observations)
    assert got == pytest.approx(wanted, abs=1e-5)
    assert (got[:, 1:].argsort(axis=1) == order).mean() > 0.9  # but for ties by rounding


def test_what_is_spare_raises_both_thresholds_by_as_much() -> None:
    corpus = [_flows([float(n) for n in range(200)], BENIGN)]
    tight, wide = (
        outright(_suspicious(), [corpus], Limits(harm=0.02, slowed=0.03, margin=1, spare=spare))
        for spare in (0.0, 1.5)
    )
    assert wide.heat == pytest.approx(tight.heat)
    assert wide.nats - tight.nats == pytest.approx(1.5 / tight.heat)
