"""Hindsight: advice by labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from agent.decision import Verdict
from agent.observation import NAMES
from tests.training.gateway.by_hand import BENIGN, MALICIOUS, UNKNOWN, recording
from training.gateway.env import Gateway
from training.gateway.hindsight import Hindsight, right
from training.gateway.policy import NoMemory
from training.gateway.recording import Recording
from training.gateway.rewards import Rewards
from training.gateway.surroundings import Surroundings
from training.gateway.tape import Tape
from training.settings import Guidance

_CPU = torch.device("cpu")


def _from(made: Recording, *, local: bool) -> Recording:
    observations = made.observations.copy()
    observations[:, NAMES.index("initiator_local")] = local
    return replace(made, observations=observations)


def test_strangers_are_blocked_and_a_host_that_mostly_attacks_is_cut_off() -> None:
    stranger = recording([(0, MALICIOUS, 0), (1, BENIGN, 1), (2, UNKNOWN, 2)])
    infected = _from(recording([(0, MALICIOUS, 0), (1, MALICIOUS, 1), (2, BENIGN, 2)]), local=True)
    used = _from(recording([(0, MALICIOUS, 0), (1, BENIGN, 1), (2, BENIGN, 2)]), local=True)
    verdicts = right(Tape([stranger, infected, used], _CPU)).argmax(1)
    assert verdicts.tolist() == [
        *(Verdict.BLOCK, Verdict.ALLOW, Verdict.ALLOW),
        *(Verdict.ISOLATE, Verdict.ISOLATE, Verdict.ALLOW),
        *(Verdict.BLOCK, Verdict.ALLOW, Verdict.ALLOW),
    ]


def test_of_what_nobody_knows_it_says_what_the_policy_says() -> None:
    made = recording([(0, UNKNOWN, 0), (1, MALICIOUS, 1)])
    tape = Tape([made], _CPU)
    env = Gateway(
        2, torch.Generator().manual_seed(0), tape,
        rewards=Rewards(), surroundings=Surroundings.still(),
    )  # fmt: skip
    everywhere = torch.ones(2, dtype=torch.bool)
    env.place(
        everywhere, torch.zeros(2, dtype=torch.long), torch.tensor([0, 1]), torch.tensor([2, 2])
    )
    own = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1]])
    guide = Hindsight(tape, Guidance())
    advice = guide.advise(env, NoMemory(), torch.zeros(2, 1), own.log())
    np.testing.assert_allclose(advice, [[0.7, 0.1, 0.1, 0.1], [0, 0, 1, 0]], rtol=1e-6)
