"""Classifiers of first packets: what they are fitted to, and that they learn it."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from agent.observation import NAMES
from tests.training.gateway.baselines.made import Made, observations, recording
from training.errors import CorpusError
from training.gateway.baselines import classifiers
from training.gateway.baselines.classifiers import Method, examples, fit
from training.gateway.recording import Recording


def draw(*recordings: Recording, packets: int = 8) -> classifiers.Examples:
    return examples(recordings, np.random.default_rng(0), packets)


def crowd(*, seed: int, count: int = 200) -> Recording:
    """Malicious flows come from sources with many peers; nothing else tells them apart."""
    drawn = np.random.default_rng(seed)
    flows = []
    for k in range(count):
        peers = drawn.uniform(20, 60) if k % 2 else drawn.uniform(1, 10)
        facts = {"src_peers_long": peers, "payload_fwd": drawn.uniform(0, 500)}
        flows.append(Made(k % 2, facts=facts))
    return recording(*flows)


@pytest.mark.parametrize("method", get_args(Method))
def test_what_can_be_told_apart_is_learned(method: Method) -> None:
    signal = fit(method, draw(crowd(seed=1)), seed=0)
    unseen = crowd(seed=2)
    likely = signal(unseen.observations)
    assert likely.dtype == np.float32
    assert ((likely > 0.5) == (unseen.label == 1)).mean() > 0.97
    assert (fit(method, draw(crowd(seed=1)), seed=0)(unseen.observations) == likely).all()


@pytest.mark.parametrize("method", get_args(Method))
def test_alerts_and_rules_are_not_seen(method: Method) -> None:
    """Tuning relies on it: what a policy does must not change what its signal says."""
    signal = fit(method, draw(crowd(seed=1)), seed=0)
    rows = crowd(seed=2).observations
    acted = rows.copy()
    for name in ("src_alerts", "dst_alerts", "in_force_src", "in_force_flow", "in_force_time"):
        acted[:, NAMES.index(name)] = 1
    assert (signal(acted) == signal(rows)).all()


def test_late_packets_and_unknown_flows_are_left_out() -> None:
    packets = [{"packets_fwd": float(n), "packets_bwd": 1.0} for n in (1, 7, 8)]
    known = [Made(label, facts=facts) for label in (0, 1) for facts in packets]
    made = recording(*known, Made(-1, facts=packets[0]))
    found = draw(made)
    assert sorted(found.malicious.tolist()) == [False, False, True, True]
    expected = observations(*packets[:2])
    assert (np.unique(found.observations, axis=0) == np.unique(expected, axis=0)).all()
    assert len(draw(made, packets=9).malicious) == 6
    assert len(draw(made, packets=2).malicious) == 2


def test_no_family_drowns_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifiers, "MOST", 5)
    families = {(1, "scan"): 50, (1, "c2"): 3, (0, "web"): 7, (0, "scan"): 2}
    flows = [Made(label, name) for (label, name), count in families.items() for _ in range(count)]
    malicious = draw(recording(*flows)).malicious
    assert (malicious.sum(), (~malicious).sum()) == (5 + 3, 5 + 2)


def test_one_kind_alone_cannot_be_told_apart() -> None:
    with pytest.raises(CorpusError, match="malicious and legitimate"):
        draw(recording(Made(1), Made(1), Made(-1)))
