"""Rules that are imagined: as the agent would show them."""

from __future__ import annotations

import math

import pytest
import torch

from agent.observation import LOG_SCALE
from training.gateway.imagined_rules import imagined


def test_they_look_like_rules_in_force() -> None:
    found = imagined(20_000, torch.Generator().manual_seed(1))
    on_host, on_flow, time = found.unbind(1)
    verdicts = [0.0, 1 / 3, 2 / 3, 1.0]
    assert on_host.unique().tolist() == pytest.approx(verdicts)
    assert on_flow.unique().tolist() == pytest.approx(verdicts)
    assert bool((time[on_flow == 0] == 0).all())  # it is the time of the flow's rule
    seconds = (time * LOG_SCALE).expm1()
    assert 0 <= float(seconds.min()) < float(seconds.max()) <= 86_400 * 1.001
    assert float((found > 0).any(1).float().mean()) == pytest.approx(0.3 * 0.91, abs=0.02)
    assert math.isclose(float((on_flow > 0).float().mean()), 0.3 * 0.7, abs_tol=0.02)
