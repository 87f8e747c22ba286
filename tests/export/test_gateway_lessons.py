"""A gateway's lessons: what is drawn, what the policy says of it, and what is never cut off."""

from __future__ import annotations

import numpy as np
import torch

from agent.observation import LOG_SCALE, NAMES, TRANSFORMS, Transform
from export.gateway_lessons import GatewayLessons, extremes
from export.quantize import Ranges, quantised
from export.student import fresh
from tests.training.gateway.by_hand import BENIGN, MALICIOUS, recording
from training.gateway.imagined_alerts import COLUMNS as ALERTS
from training.gateway.imagined_rules import COLUMNS as RULES

_MADE = recording([(n, (MALICIOUS, BENIGN)[n % 2], n) for n in range(20)])


def _lessons(seed: int = 1) -> tuple[torch.nn.Module, GatewayLessons]:
    policy = fresh((len(NAMES), 8, 4), 1)
    return policy, GatewayLessons([_MADE], policy, 0.1, seed)


def test_examples_are_what_the_policy_says_of_points_with_alerts_and_rules() -> None:
    policy, lessons = _lessons()
    examples = lessons.draw(2000)
    with torch.no_grad():
        torch.testing.assert_close(policy(examples.inputs), examples.logits)
    for columns in (ALERTS, RULES):
        some = (examples.inputs[:, columns] > 0).any(1).float().mean()
        assert 0.2 < float(some) < 0.6


def test_chance_is_the_seed_s() -> None:
    one, same, other = (_lessons(seed)[1].draw(50).inputs for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_no_flag_and_no_verdict_of_the_agent_s_own_is_cut_off() -> None:
    """An input that never varied among the examples still has its range in bytes."""
    policy, lessons = _lessons()
    looked_at = torch.cat([lessons.draw(500).inputs, extremes()])
    network = quantised(policy, Ranges.of(policy, looked_at))
    flags = torch.from_numpy(TRANSFORMS == Transform.IDENTITY)
    for value in (torch.where(flags, 1.0, 0.0), extremes()[0]):
        bytes_ = value / torch.from_numpy(network.step) + torch.from_numpy(network.offset)
        assert float(bytes_.max()) <= 255.001
    alerts = extremes()[0, ALERTS]
    np.testing.assert_allclose(np.expm1(alerts.numpy() * LOG_SCALE), 1000, rtol=1e-4)
