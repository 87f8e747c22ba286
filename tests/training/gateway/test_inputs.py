"""One scale for all features while a network learns, and none in what is kept of it."""

from __future__ import annotations

import torch

from agent.observation import FEATURES
from training.gateway.inputs import Plain, Standardised, settle
from training.gateway.policy import Logits, fresh
from training.gateway.settings import Blueprint


def _observations() -> torch.Tensor:
    chance = torch.Generator().manual_seed(1)
    seen = torch.randn(500, len(FEATURES), generator=chance) * 3 + 2
    seen[:, 4] = 0.25  # never anything else
    return seen


def test_features_have_mean_0_and_deviation_1() -> None:
    seen = _observations()
    inputs = Standardised(seen)(seen, seen[:, :0])
    torch.testing.assert_close(inputs.mean(0), torch.zeros(len(FEATURES)), atol=1e-5, rtol=0)
    varies = torch.arange(len(FEATURES)) != 4
    deviation = inputs.std(0, correction=0)
    torch.testing.assert_close(deviation[varies], torch.ones(len(FEATURES) - 1))
    assert deviation[4] == 0


def test_what_never_varied_does_not_count_for_everything_elsewhere() -> None:
    seen = _observations()
    other = seen.clone()
    other[:, 4] += 0.1
    inputs = Standardised(seen)(other, other[:, :0])
    torch.testing.assert_close(inputs[:, 4], torch.full((500,), 2.0))


def test_a_settled_network_says_the_same_of_observations_as_they_are() -> None:
    seen = _observations()
    network = fresh(Blueprint(hidden=[8, 8]), 1)
    network.memory = Standardised(seen)
    with torch.no_grad():
        logits, values = network(seen, seen[:, :1])
        settle(network)
        assert type(network.memory) is Plain
        settled = network(seen, seen[:, :1])
        alone = Logits(network)(seen)
    torch.testing.assert_close(settled[0], logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(settled[1], values, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(alone, logits, atol=1e-5, rtol=1e-4)
