"""Lessons of CAGE-2: what the teacher says, of states that the player's own actions led to."""

from __future__ import annotations

import pytest
import torch

from export.cage2_lessons import Cage2Lessons, Play
from training.cage2.checkpoint import fresh
from training.cage2.settings import Blueprint
from training.networks import ActorCritic

BLUEPRINT = Blueprint(hidden=[16])
HOSTS, FEATURES, SIGNS = 13, 52, 6 + 8
MONITOR, ANALYSE = 1, 2  # actions; the second is that of the first host
ACTED = FEATURES + 2  # among inputs: acted on the first host lately
CLOCK = FEATURES + HOSTS * SIGNS


@pytest.fixture(scope="module")
def network() -> ActorCritic:
    return fresh(BLUEPRINT, seed=3)


def lessons(network: ActorCritic, seed: int = 1, **play: object) -> Cage2Lessons:
    settings = {"num_envs": 8, "kept": 12, "rollout": 4, "horizon": 6} | play
    return Cage2Lessons(network, BLUEPRINT, Play.model_validate(settings), seed)


def clocks(found: Cage2Lessons) -> set[int]:
    """Steps of the episodes that are in the pool; a large draw leaves none out."""
    return set((found.draw(2000).inputs[:, CLOCK] * 100).round().int().tolist())


def test_examples_are_what_the_teacher_says_of_those_inputs(network: ActorCritic) -> None:
    found = lessons(network).draw(500)
    obs, state = found.inputs[:, :FEATURES], found.inputs[:, FEATURES : CLOCK + 1]
    assert torch.equal(found.inputs, network.memory(obs, state))
    with torch.no_grad():
        wanted = network(obs, state)[0]
    torch.testing.assert_close(found.logits, wanted)
    never = found.logits == -1e9
    assert torch.equal(never, ~network.memory.useful(state))
    assert never[:, MONITOR].all()
    assert len(found.inputs.unique(dim=0)) > 50


def test_the_same_seed_draws_the_same_and_torch_s_own_generator_is_left_alone(
    network: ActorCritic,
) -> None:
    before = torch.random.get_rng_state()
    first, again, other = (lessons(network, seed).draw(64) for seed in (1, 1, 2))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.logits, again.logits)
    assert not torch.equal(first.inputs, other.inputs)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("greedy", [0.0, 0.5, 1.0])
def test_the_player_plays_but_nothing_without_effect(network: ActorCritic, greedy: float) -> None:
    found = lessons(network, greedy=greedy)

    def player(inputs: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(inputs), 145)
        logits[:, MONITOR], logits[:, ANALYSE] = 200, 100
        return logits

    found.player = player
    inputs = found.draw(500).inputs
    later = inputs[inputs[:, CLOCK] > 0]
    assert len(later) > 100
    assert (later[:, ACTED] == 1).all()
    others = [ACTED + host * SIGNS for host in range(1, HOSTS)]
    assert (later[:, others] == 0).all()


def test_without_a_player_the_teacher_plays(network: ActorCritic) -> None:
    found = lessons(network, greedy=0.0).draw(500).inputs
    acted = [ACTED + host * SIGNS for host in range(HOSTS)]
    assert (found[:, acted] == 1).any(0).sum() > 5  # it is hardly decided, so it does all sorts


def test_episodes_end_and_are_forgotten(network: ActorCritic) -> None:
    found = lessons(network, horizon=3)
    assert clocks(found) == {0, 1, 2}
    inputs = found.draw(500).inputs
    begun = inputs[inputs[:, CLOCK] == 0]
    assert (begun[:, FEATURES:CLOCK] == 0).all()


def test_what_has_been_drawn_often_makes_room(network: ActorCritic) -> None:
    found = lessons(network, horizon=100, num_envs=8, kept=10, rollout=5, reuse=50)
    due = 50 * 5 * 8
    assert clocks(found) == set(range(10))  # 2000 of 2000
    assert due == 2000
    assert clocks(found) == set(range(5, 15))
    found.draw(1)
    assert clocks(found) == set(range(10, 20))
