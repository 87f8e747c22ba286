"""Hindsight: what was right, and how it is learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from agent.decision import Verdict
from agent.observation import NAMES
from tests.training.gateway.by_hand import BENIGN, MALICIOUS, recording
from training.gateway import imagined_rules
from training.gateway.hindsight import Hindsight
from training.gateway.imagined_alerts import COLUMNS, observed
from training.gateway.imagined_rules import with_rules
from training.gateway.inputs import Standardised
from training.gateway.policy import Chooser, fresh
from training.gateway.recording import Recording
from training.gateway.settings import Blueprint, Rehearsal
from training.gateway.tape import Tape
from training.networks import ActorCritic, FlatActorCritic

_CPU = torch.device("cpu")
_QUICK = Rehearsal(rehearsal=600, rehearsal_batch=128, rehearsal_rate=0.01)


def _told_by_the_first_feature() -> tuple[Recording, Hindsight, FlatActorCritic]:
    """It tells who is malicious, but for noise; two networks are to learn it."""
    made = recording([(n, (MALICIOUS, BENIGN)[n % 2], n) for n in range(100)])
    observations = made.observations.copy()
    observations[::2, NAMES.index("duration")] = 1.0
    made = replace(made, observations=observations)
    policy, *members = (fresh(Blueprint(hidden=[32, 32]), seed) for seed in (1, 2, 3))
    for network in (policy, *members):
        network.memory = Standardised(with_rules(torch.from_numpy(made.observations), 1))
    generator = torch.Generator().manual_seed(1)
    return made, Hindsight(Tape([made], _CPU), 0.1, generator, members), policy


def test_what_can_be_told_apart_is_learned() -> None:
    made, hindsight, network = _told_by_the_first_feature()
    assert float(hindsight.blame(network, 1000).detach()) == pytest.approx(np.log(4), abs=0.05)
    hindsight.rehearse(network, _QUICK)
    actions = Chooser(network)(torch.from_numpy(made.observations))
    assert actions.tolist() == [Verdict.BLOCK, Verdict.ALLOW] * 50
    assert hindsight.blame(network, 1000) < 0.1


def test_a_policy_learns_the_mean_of_the_members() -> None:
    made, hindsight, network = _told_by_the_first_feature()
    hindsight.rehearse(network, _QUICK)
    seen = torch.from_numpy(made.observations)
    with torch.no_grad():
        odds = [_odds(each, seen) for each in (network, *hindsight.members)]
    torch.testing.assert_close(odds[0], (odds[1] + odds[2]) / 2, atol=0.7, rtol=0)


def test_alerts_on_both_ends_turn_what_looks_harmless_and_on_one_end_they_do_not() -> None:
    made, hindsight, network = _told_by_the_first_feature()
    hindsight.rehearse(network, _QUICK)
    seen = torch.from_numpy(made.observations[1:2].repeat(3, axis=0))
    seen[:, COLUMNS] = observed(torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 1.5]]))
    quiet, one, both = _odds(network, seen)
    assert one - quiet < 4
    assert both - quiet == pytest.approx(12, abs=3)


def test_members_are_kept_with_a_run() -> None:
    _, hindsight, network = _told_by_the_first_feature()
    hindsight.rehearse(network, _QUICK)
    _, other, _ = _told_by_the_first_feature()
    other.load_state_dict(hindsight.state_dict())
    for mine, its in zip(other.members, hindsight.members, strict=True):
        torch.testing.assert_close(mine.state_dict(), its.state_dict())


def _odds(network: ActorCritic, seen: torch.Tensor) -> torch.Tensor:
    """Of a block to an allowance, nats."""
    logits = Chooser(network).logits(seen.numpy())
    return torch.from_numpy(logits[:, Verdict.BLOCK] - logits[:, Verdict.ALLOW])


def test_what_is_in_force_already_is_no_evidence() -> None:
    made, hindsight, network = _told_by_the_first_feature()
    hindsight.rehearse(network, _QUICK)
    for row in (0, 1):
        seen = torch.from_numpy(made.observations[row : row + 1].repeat(3, axis=0))
        rules = torch.tensor([[0.0, 0.0, 0.0], [1 / 3, 1 / 3, 0.3], [1.0, 0.0, 0.0]])
        seen[:, imagined_rules.COLUMNS] = rules
        odds = _odds(network, seen)
        assert float((odds - odds[0]).abs().max()) < float(odds[0].abs()) / 2
