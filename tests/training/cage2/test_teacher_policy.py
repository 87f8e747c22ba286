"""A teacher at play."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from training.cage2.env import Cage2
from training.cage2.evaluate import evaluate, simulator
from training.cage2.evaluate_command import evaluate_command
from training.cage2.memory import Cage2Memory
from training.cage2.playbook import PlaybookTeacher
from training.cage2.scenario import Variant, load
from training.cage2.teacher_policy import TeacherPolicy
from training.teacher.flawed import RandomTeacher
from training.teacher.teacher import StateText

app = typer.Typer()
app.command()(evaluate_command)


class Listening(RandomTeacher):
    """Advises at random, and keeps what it was told last."""

    def __init__(self) -> None:
        super().__init__(seed=1)
        self.told: list[StateText] = []

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        self.told = list(states)
        return super().distribution(states)


@pytest.mark.parametrize("variant", [Variant.HEAD, Variant.REPAIRED])
@pytest.mark.parametrize("name", ["official", "generated-20"])
def test_the_teacher_is_told_what_the_playground_would_say(name: str, variant: Variant) -> None:
    scenario, teacher = load(name), Listening()
    env = Cage2(3, torch.Generator().manual_seed(4), horizon=40, scenario=scenario, variant=variant)
    policy = TeacherPolicy(teacher, scenario, variant, horizon=40)
    memory = Cage2Memory(scenario, variant)
    for _ in range(2):
        obs, state = env.reset(), torch.zeros(3, memory.state_size)
        policy.begin(3)
        for _ in range(40):
            told = [memory.recall(env.describe(i), state[i]) for i in range(3)]
            action = torch.from_numpy(policy.act(obs.numpy()))
            assert teacher.told == told
            assert torch.equal(action, teacher.distribution(told).argmax(1))
            state = memory.remember(obs, state, action)
            obs, *_ = env.step(action)


@pytest.mark.parametrize("shape", [(2, 51), (3, 52), (0, 52)])
def test_other_observations_are_refused(shape: tuple[int, int]) -> None:
    policy = TeacherPolicy(PlaybookTeacher(), load("official"))
    policy.begin(2)
    with pytest.raises(ValueError, match=r"not \(2, 52\)"):
        policy.act(np.zeros(shape, dtype=np.float32))


def test_the_command_scores_the_playbook() -> None:
    chosen = ["--scenario", "generated-5", "--variant", "repaired", "--seed", "3"]
    done = CliRunner().invoke(app, ["playbook", "--episodes", "2", *chosen, "--json"])
    assert done.exit_code == 0, done.output
    network = load("generated-5")
    policy = TeacherPolicy(PlaybookTeacher(), network, Variant.REPAIRED)
    arena = simulator(Variant.REPAIRED, network)
    direct = evaluate(policy, arena, name="playbook", episodes=2, seed=3)
    assert json.loads(done.stdout) == direct.as_dict()
    assert -500 < direct.total < 0
