"""Learning from a journal without forgetting, and what may not take the old policy's place."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from agent.observation import FEATURES
from training.gateway.bandit import Points, worth_of
from training.gateway.finetune import Measures, fit, refusal
from training.gateway.finetune_settings import Finetuning
from training.gateway.policy import Chooser, fresh
from training.gateway.rewards import Rewards
from training.gateway.settings import Blueprint
from training.networks import ActorCritic

F = len(FEATURES)
BEFORE = Measures(validation=0.6, legitimate_stopped=0.01, journal=1.0)
QUICK = Finetuning(updates=150, batch=64, learning_rate=0.01, drift=5.0)


def points(*kinds: tuple[int, int], count: int = 40) -> Points:
    """For each feature and label, so many observations with that feature raised."""
    generator = np.random.default_rng(1)
    obs = generator.random((len(kinds) * count, F), np.float32) * 0.2
    for k, (feature, _) in enumerate(kinds):
        obs[k * count : (k + 1) * count, feature] += 1
    label = np.repeat(np.array([label for _, label in kinds], np.int8), count)
    return Points(obs, label, np.ones(len(obs)), worth_of(Rewards()))


def stops(network: ActorCritic, feature: int) -> float:
    """Share of observations with a feature raised that are stopped."""
    return float((Chooser(network)(points((feature, 0)).obs) >= 2).float().mean())


@pytest.fixture(scope="module")
def policy() -> ActorCritic:
    """Stops what has the features 0 or 1 and nothing that has 2 or 3."""
    network = fresh(Blueprint(hidden=[16]), 1)
    school = points((0, 1), (1, 1), (2, 0), (3, 0))
    fit(network, school, school, QUICK.model_copy(update={"drift": 0.0}))
    assert [stops(network, feature) for feature in range(4)] == [1, 1, 0, 0]
    return network


def test_habits_are_unlearned_and_the_rest_is_kept(policy: ActorCritic) -> None:
    """That 1 was stopped and 3 was not is overruled; 0 and 2 are in the corpora."""
    network = copy.deepcopy(policy)
    journal, old = points((1, 0), (3, 1)), points((0, 1), (2, 0))
    before = journal.earned(network)
    fit(network, journal, old, QUICK)
    assert [stops(network, feature) for feature in range(4)] == [1, 0, 0, 1]
    assert journal.earned(network) > before + 5
    assert [stops(policy, feature) for feature in range(4)] == [1, 1, 0, 0]
    for name, value in policy.state_dict().items():
        assert torch.equal(value, network.state_dict()[name]) == name.startswith("critic")


def test_without_replay_and_drift_a_false_journal_is_believed(policy: ActorCritic) -> None:
    false, old = points((0, 0), (2, 1)), points((0, 1), (2, 0))
    believing, careful = copy.deepcopy(policy), copy.deepcopy(policy)
    fit(believing, false, old, QUICK.model_copy(update={"replay": 0.0, "drift": 0.0}))
    assert [stops(believing, 0), stops(believing, 2)] == [0, 1]
    fit(careful, false, old, QUICK)
    assert [stops(careful, 0), stops(careful, 2)] == [1, 0]


def test_the_same_seed_makes_the_same_network(policy: ActorCritic) -> None:
    journal, old = points((1, 0)), points((0, 1))
    made: list[torch.Tensor] = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(made))  # the global generator does not matter
        network, rows = copy.deepcopy(policy), list[dict[str, float]]()
        fit(network, journal, old, QUICK.model_copy(update={"seed": seed}), rows.append)
        assert [row["steps"] for row in rows] == [50, 100, 150]
        made.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.parametrize(
    ("after", "reasons"),
    [
        (Measures(0.6, 0.01, 1.1), []),
        (Measures(0.596, 0.0104, 1.001), []),
        (Measures(0.9, 0.0, 1.0), ["on the journal's held-out flows it earns 1.000 points"]),
        (Measures(0.594, 0.01, 2.0), ["it earns 59.40%, before 60.00% (--tolerance 0.005)"]),
        (Measures(0.6, 0.0106, 2.0), ["stops 1.060% of their legitimate flows, before 1.000%"]),
        (Measures(0.5, 0.5, 0.5), ["it earns 50.00%", "it stops 50.000%", "0.500 points"]),
        (Measures(math.nan, 0.01, math.nan), ["it earns nan%", "nan points"]),
    ],
)
def test_what_is_refused(after: Measures, reasons: list[str]) -> None:
    found = refusal(BEFORE, after, 0.005)
    assert (found is None) == (not reasons)
    parts = (found or "").split("; ") if reasons else []
    assert len(parts) == len(reasons)
    for reason, part in zip(reasons, parts, strict=True):
        assert reason in part
