"""Alerts that are made up, and what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agent.config import AlertSettings
from agent.observation import NAMES, raw_values
from training.gateway.imagined_alerts import COLUMNS, evidence, imagined, observed


def test_half_of_the_points_have_none_and_half_of_the_others_have_both() -> None:
    made = imagined(100_000, torch.Generator().manual_seed(1)) > 0
    # 0.5 x 0.7 x 0.7 at both ends, and 0.5 x 2 x 0.7 x 0.3 at one of them.
    assert made.all(1).float().mean() == pytest.approx(0.245, abs=0.01)
    assert (made.sum(1) == 1).float().mean() == pytest.approx(0.21, abs=0.01)


def test_they_are_observed_as_the_agent_observes_them() -> None:
    weights = torch.tensor([[3.0, 1.5], [0.0, 40.0]])
    seen = np.zeros((2, len(NAMES)), np.float32)
    seen[:, COLUMNS] = observed(weights)
    assert [NAMES[column] for column in COLUMNS] == ["src_alerts", "dst_alerts"]
    np.testing.assert_allclose(raw_values(seen)[:, COLUMNS], weights, rtol=1e-5)


def test_only_what_is_on_both_ends_speaks_against_a_flow() -> None:
    weights = torch.tensor([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0], [3.0, 1.5], [1.5, 3.0]])
    assert evidence(weights).tolist() == [0.0, 0.0, 0.0, 12.0, 12.0]


def test_graver_alerts_say_more_and_many_say_no_more_than_the_most() -> None:
    weights = torch.tensor([[each, each / 2] for each in AlertSettings().weight])
    said = evidence(weights)
    assert said.tolist() == [12.0, 8.0, 4.0, 2.0]
    assert evidence(10 * weights).tolist() == [16.0] * 4
