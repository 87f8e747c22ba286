"""Hindsight: what was right, and how it is learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from agent.decision import Verdict
from agent.observation import NAMES
from tests.training.gateway.by_hand import BENIGN, MALICIOUS, UNKNOWN, recording
from training.gateway.hindsight import Hindsight, _until, alerts
from training.gateway.policy import Chooser, build
from training.gateway.settings import Blueprint, Rehearsal
from training.gateway.tape import Tape

_CPU = torch.device("cpu")


def test_half_of_what_is_drawn_is_malicious_and_nothing_is_unknown() -> None:
    made = recording([*((n, MALICIOUS, n) for n in range(4)), (5, BENIGN, 5), (6, UNKNOWN, 6)])
    chances = _until([made]).diff(prepend=torch.zeros(1))
    np.testing.assert_allclose(chances, [1 / 8] * 4 + [1 / 2, 0], atol=1e-12)


def test_alerts_are_on_both_ends_of_what_was_noticed() -> None:
    malicious = torch.arange(200_000) % 2 == 0
    made = alerts(malicious, torch.Generator().manual_seed(1)) > 0
    both, one = made.all(1), made.sum(1) == 1
    assert both[malicious].float().mean() == pytest.approx(0.7 / 3, abs=0.005)
    assert both[~malicious].float().mean() < 0.001
    # At either end 0.15; at one of them alone 2 x 0.15 x 0.85, where somebody looks.
    assert one[~malicious].float().mean() == pytest.approx(0.255 / 3, abs=0.005)


def test_what_can_be_told_apart_is_learned() -> None:
    """The first feature tells who is malicious, but for noise, and the second who is local."""
    made = recording([(n, (MALICIOUS, BENIGN)[n % 2], n) for n in range(100)])
    observations = made.observations.copy()
    observations[::2, NAMES.index("duration")] = 1.0
    made = replace(made, observations=observations)
    network = build(Blueprint(hidden=[16]))
    hindsight = Hindsight([made], Tape([made], _CPU), 0.1, torch.Generator().manual_seed(1))
    before = float(hindsight.loss(network, 1000).detach())
    assert before == pytest.approx(np.log(4), abs=0.05)
    hindsight.rehearse(network, Rehearsal(rehearsal=300, rehearsal_batch=64, rehearsal_rate=0.01))
    actions = Chooser(network)(torch.from_numpy(made.observations))
    assert actions.tolist() == [Verdict.BLOCK, Verdict.ALLOW] * 50
    assert hindsight.loss(network, 1000) < 0.1
