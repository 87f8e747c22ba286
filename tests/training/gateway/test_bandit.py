"""Decisions as a bandit: what verdicts are worth, and how often a point is drawn."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from agent.observation import FEATURES
from tests.training.gateway.corpora import SAMPLES, sample
from training.gateway.bandit import Points, expected, regret_bound, worth_of
from training.gateway.library import recordings_of
from training.gateway.policy import fresh
from training.gateway.rewards import Rewards
from training.gateway.settings import Blueprint
from training.networks import FlatActorCritic

F = len(FEATURES)


def numbered(label: list[int], weight: list[float]) -> Points:
    """Points whose observations begin with their number."""
    obs = np.zeros((len(label), F), np.float32)
    obs[:, 0] = np.arange(len(label))
    return Points(obs, np.array(label, np.int8), np.array(weight), worth_of(Rewards()))


def test_worth_by_hand() -> None:
    assert worth_of(Rewards()).tolist() == [
        [0.0, -1.0, -5.0, -5.0],
        [-5.0, -2.5, 10.0, 10.0],
        [0.0, 0.0, 0.0, 0.0],
    ]
    dear = worth_of(Rewards(latency_per_100_ms=-20, stop_legitimate=-3))
    assert dear[0].tolist() == [0.0, -3.0, -3.0, -3.0]  # a throttle is never worse than a stop


def test_expectation_by_hand() -> None:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log() + 7
    found = expected(logits, torch.tensor([[-5.0, -2.5, 10.0, 10.0]]))
    torch.testing.assert_close(found, torch.tensor([-0.5 - 0.5 + 3.0 + 4.0]))


def test_regret_bound_by_hand() -> None:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]] * 3).log() - 2
    found = regret_bound(logits, worth_of(Rewards()))
    legitimate = -math.log(0.1) - 4 * math.log(0.1 + 0.2)
    malicious = -12.5 * math.log(0.3 + 0.4) - 2.5 * math.log(0.2 + 0.3 + 0.4)
    torch.testing.assert_close(found, torch.tensor([legitimate, malicious, 0.0]))


@settings(deadline=None)
@given(logits=st.lists(st.floats(-30, 30), min_size=4, max_size=4), row=st.integers(0, 1))
def test_the_bound_is_one_and_has_a_gradient_wherever_there_is_regret(
    logits: list[float], row: int
) -> None:
    worth = worth_of(Rewards())[[row]]
    asked = torch.tensor([logits], requires_grad=True)
    bound = regret_bound(asked, worth)
    regret = float(worth.max() - expected(asked.detach(), worth))
    assert bound.item() >= regret - 1e-4
    bound.backward()  # type: ignore[no-untyped-call]
    assert asked.grad is not None
    assert asked.grad.isfinite().all()
    assert float(asked.grad.abs().sum()) >= regret / 10 - 1e-4


def test_what_may_be_either_is_stopped_from_one_in_four() -> None:
    """10 p - 5 (1 - p) against -5 p: stopping is worth more if p exceeds a quarter."""
    worth = worth_of(Rewards())[:2, [0, 2]]
    for chance, stops in ((0.2, False), (0.3, True)):
        logits = torch.zeros(1, 2, requires_grad=True)
        bound = regret_bound(logits.expand(2, 2), worth)
        (bound * torch.tensor([1 - chance, chance])).sum().backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        assert bool(logits.grad[0, 1] < 0) == stops


def test_points_are_drawn_as_they_weigh() -> None:
    points = numbered([1, 0, -1, 1], [1.0, 0.0, 2.0, 5.0])
    obs, worth = points.draw(80_000, torch.Generator().manual_seed(1))
    number = obs[:, 0].long()
    share = torch.bincount(number, minlength=4) / len(number)
    torch.testing.assert_close(share, torch.tensor([0.125, 0, 0.25, 0.625]), atol=0.01, rtol=0)
    assert torch.equal(worth, worth_of(Rewards())[torch.tensor([1, 0, -1, 1])[number]])


@pytest.mark.parametrize(
    ("verdict", "malicious", "legitimate"), [(0, -5, 0), (1, -2.5, -1), (2, 10, -5), (3, 10, -5)]
)
def test_what_is_earned_is_the_weighted_mean_of_the_likeliest_verdicts(
    verdict: int, malicious: float, legitimate: float
) -> None:
    network = fresh(Blueprint(hidden=[4]), 1)
    last = cast(nn.Linear, cast(FlatActorCritic, network).actor[-1])
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.arange(4) == verdict)
    points = numbered([1, 0, -1], [3.0, 1.0, 4.0])
    assert points.earned(network) == pytest.approx((3 * malicious + legitimate) / 8)


def test_each_recording_counts_alike_and_each_flow_of_it(tmp_path: Path) -> None:
    found = recordings_of([sample("scan"), sample("page")], SAMPLES, tmp_path)
    marked = []
    for index, each in enumerate(found):
        obs = np.zeros_like(each.recording.observations)
        obs[:, 0], obs[:, 1] = index, each.recording.flow
        marked.append(dataclasses.replace(each.recording, observations=obs))
    points = Points.of_recordings(marked, worth_of(Rewards()))
    drawn_obs, _ = points.draw(60_000, torch.Generator().manual_seed(1))
    for index, recording in enumerate(marked):
        drawn = drawn_obs[drawn_obs[:, 0] == index, 1].long()
        assert len(drawn) / len(drawn_obs) == pytest.approx(0.5, abs=0.01)
        share = torch.bincount(drawn) / len(drawn)
        most = 1 / len(recording.label)
        torch.testing.assert_close(share, torch.full_like(share, most), atol=0.01, rtol=0)
