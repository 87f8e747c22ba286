"""Points for stops that an analyst confirms later: when they come, and that all of them come."""

from __future__ import annotations

from math import exp

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent.decision import Verdict
from tests.training.gateway.by_hand import BENIGN, MALICIOUS, recording
from training.gateway.confirmation import Confirmation
from training.gateway.env import Gateway
from training.gateway.rewards import COMPONENTS, Rewards
from training.gateway.surroundings import Surroundings
from training.gateway.tape import Tape

CPU = torch.device("cpu")


def _paid(confirmation: Confirmation, earned: float, elapsed: float, ended: bool = False) -> float:
    time = torch.tensor([elapsed], dtype=torch.float64)
    return confirmation.paid(torch.tensor([earned]), time, torch.tensor([ended])).item()


def test_at_once_is_at_once() -> None:
    confirmation = Confirmation(1, 0.0, CPU)
    assert [_paid(confirmation, 10.0, elapsed) for elapsed in (0.0, 3.0)] == [10, 10]
    assert confirmation.waiting.item() == 0


def test_what_waits_is_confirmed_by_and_by() -> None:
    """Ten points at 0 s and ten at 20 s, of a mean of 20 s; the episode ends at 30 s."""
    confirmation = Confirmation(1, 20.0, CPU)
    assert _paid(confirmation, 10.0, 20.0) == pytest.approx(10 * (1 - exp(-1)))
    both = 10 + 10 * exp(-1)
    assert _paid(confirmation, 10.0, 5.0) == pytest.approx(both * (1 - exp(-0.25)))
    assert _paid(confirmation, 0.0, 0.0) == 0
    assert _paid(confirmation, 0.0, 5.0, ended=True) == pytest.approx(both * exp(-0.25))
    assert confirmation.waiting.item() == 0


@given(
    st.floats(0.01, 1e4),
    st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1e5)), min_size=1, max_size=20),
)
def test_nothing_is_lost(mean: float, course: list[tuple[int, float]]) -> None:
    confirmation = Confirmation(1, mean, CPU)
    paid = [_paid(confirmation, 10.0 * flows, elapsed) for flows, elapsed in course]
    paid.append(_paid(confirmation, 0.0, 0.0, ended=True))
    assert min(paid) >= 0
    assert sum(paid) == pytest.approx(10 * sum(flows for flows, _ in course), rel=1e-5)


def test_a_reset_forgets_what_waits() -> None:
    confirmation = Confirmation(2, 10.0, CPU)
    confirmation.paid(torch.ones(2), torch.zeros(2), torch.zeros(2, dtype=torch.bool))
    confirmation.reset(torch.tensor([0]))
    assert confirmation.waiting.tolist() == [0, 1]


def test_the_playground_pays_late() -> None:
    """A block at 0 s stops flows at 0 s and 5 s; at 10 s the defender is asked about another."""
    made = recording([(0, MALICIOUS, 0), (5, MALICIOUS, 0), (10, BENIGN, 1), (30, BENIGN, 1)])
    world = Surroundings.still().model_copy(update={"confirmed_after_s": 20.0})
    env = Gateway(
        1,
        torch.Generator().manual_seed(1),
        Tape([made], CPU),
        rewards=Rewards(),
        surroundings=world,
        window=4,
    )
    paid = []
    for verdict in (Verdict.BLOCK, Verdict.ALLOW, Verdict.ALLOW):
        _, reward, _, ended, info = env.step(torch.tensor([int(verdict)]))
        assert reward.item() == sum(info[name].item() for name in COMPONENTS)
        paid.append(info["stop_malicious"].item())
    assert ended.item()
    wanted = 1 - exp(-10 / 20), exp(-10 / 20) - exp(-30 / 20), exp(-30 / 20)
    assert paid == pytest.approx([20 * each for each in wanted])
