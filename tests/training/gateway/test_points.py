"""Points: what is drawn, and how often."""

from __future__ import annotations

import pytest
import torch

from agent.observation import NAMES
from tests.training.gateway.by_hand import BENIGN, MALICIOUS, UNKNOWN, recording
from training.gateway.points import Points
from training.gateway.tape import Tape

_CPU = torch.device("cpu")


def test_half_of_what_is_drawn_is_malicious_and_nothing_is_unknown() -> None:
    made = recording([*((n, MALICIOUS, n) for n in range(4)), (5, BENIGN, 5), (6, UNKNOWN, 6)])
    points = Points(Tape([made], _CPU), 0.0, torch.Generator().manual_seed(1))
    _, flow = points.draw(8000)
    shares = flow.bincount(minlength=6) / 8000
    assert shares[5] == 0
    assert shares[4] == pytest.approx(1 / 2, abs=0.03)
    assert shares[:4].tolist() == pytest.approx([1 / 8] * 4, abs=0.02)


def test_what_is_drawn_is_blurred_where_it_is_a_matter_of_degree() -> None:
    made = recording([(0, MALICIOUS, 0), (1, BENIGN, 1)])
    made.observations[:, NAMES.index("tcp")] = 1.0
    made.observations[:, NAMES.index("duration")] = 1.0
    points = Points(Tape([made], _CPU), 0.1, torch.Generator().manual_seed(1))
    obs, _ = points.draw(4000)
    assert obs[:, NAMES.index("tcp")].unique().tolist() == [1.0]
    assert float(obs[:, NAMES.index("duration")].std()) == pytest.approx(0.1, abs=0.01)
