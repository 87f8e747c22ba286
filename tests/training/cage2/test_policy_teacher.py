"""A trained policy as a teacher, and teachers by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from training.cage2.checkpoint import build
from training.cage2.env import Cage2
from training.cage2.memory import Cage2Memory
from training.cage2.playbook import PlaybookTeacher
from training.cage2.policy_teacher import PolicyTeacher
from training.cage2.scenario import Scenario, Variant, load
from training.cage2.settings import Blueprint
from training.cage2.short_actions import ShortActionsTeacher
from training.cage2.teachers import make_teacher
from training.checkpoint import save
from training.errors import PolicyError
from training.networks import FlatActorCritic
from training.teacher.flawed import RandomTeacher, WrongTeacher
from training.teacher.teacher import StateText

BATCH = 4


class Moment(NamedTuple):
    """What a policy sees at a step of random play, and the same as texts."""

    obs: torch.Tensor
    state: torch.Tensor
    texts: list[StateText]


def random_play(scenario: Scenario, variant: Variant, episodes: int = 1) -> Iterator[Moment]:
    env = Cage2(BATCH, torch.Generator().manual_seed(5), scenario=scenario, variant=variant)
    memory = Cage2Memory(scenario, variant)
    obs, state = env.reset(), torch.zeros(BATCH, memory.state_size)
    for _ in range(episodes * env.horizon):
        texts = [memory.recall(env.describe(i), state[i]) for i in range(BATCH)]
        yield Moment(obs, state, texts)
        action = torch.randint(scenario.num_actions, (BATCH,), generator=env.generator)
        state = memory.remember(obs, state, action)
        obs, _, _, truncated, _ = env.step(action)
        state = state * ~truncated[:, None]


def network(scenario: Scenario, variant: Variant = Variant.HEAD) -> FlatActorCritic:
    """With weights that tell inputs apart."""
    network = FlatActorCritic(Cage2Memory(scenario, variant), [16])
    with torch.no_grad():
        weight = network.actor[-1].get_parameter("weight")
        weight.normal_(generator=torch.Generator().manual_seed(0))
    return network


@pytest.mark.parametrize("variant", [Variant.HEAD, Variant.REPAIRED])
@pytest.mark.parametrize("name", ["official", "generated-20"])
def test_texts_give_back_what_the_policy_sees(name: str, variant: Variant) -> None:
    scenario = load(name)
    teacher = PolicyTeacher(network(scenario, variant), scenario)
    for moment in random_play(scenario, variant, episodes=2):
        obs, state = teacher.rebuild(moment.texts)
        assert torch.equal(obs, moment.obs)
        torch.testing.assert_close(state, moment.state, rtol=1e-4, atol=0)
        assert torch.equal(state == 0, moment.state == 0)


def test_the_advice_is_what_the_policy_would_play() -> None:
    scenario = load("official")
    policy = network(scenario)
    teacher = PolicyTeacher(policy, scenario)
    *_, last = random_play(scenario, Variant.HEAD)
    given = teacher.distribution(last.texts)
    torch.testing.assert_close(given, policy(last.obs, last.state)[0].softmax(1))
    torch.testing.assert_close(given.sum(1), torch.ones(BATCH))
    assert not given.requires_grad
    assert given[0].sub(given[1]).abs().max() > 0.01


def text(scenario: str) -> StateText:
    return Cage2(1, torch.Generator(), scenario=load(scenario)).describe(0)


def test_a_text_without_memory_is_refused() -> None:
    scenario = load("official")
    with pytest.raises(PolicyError, match=r"fact 'recalled': .*Cage2Memory.recall"):
        PolicyTeacher(network(scenario), scenario).distribution([text("official")])


def test_a_text_without_a_host_is_refused() -> None:
    scenario = load("official")
    facts = {"recalled": 1.0, "step": 0.0}
    other = StateText(facts, (), text("official").actions)
    with pytest.raises(PolicyError, match=r"fact 'host\d+.activity'"):
        PolicyTeacher(network(scenario), scenario).distribution([other])


def test_a_text_of_another_scenario_is_refused() -> None:
    scenario = load("official")
    with pytest.raises(PolicyError, match="own scenario"):
        PolicyTeacher(network(scenario), scenario).distribution([text("generated-20")])


def test_a_network_of_another_size_is_refused() -> None:
    with pytest.raises(PolicyError, match="52 features and has 145 actions, generated-20"):
        PolicyTeacher(network(load("official")), load("generated-20"))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    blueprint = Blueprint(scenario="generated-5", hidden=[4])
    save(tmp_path / "network.pt", build(blueprint), blueprint, {})
    return tmp_path / "network.pt"


def test_teachers_have_names(checkpoint: Path) -> None:
    assert isinstance(make_teacher("playbook", "official"), PlaybookTeacher)
    assert isinstance(make_teacher("passages", "official"), ShortActionsTeacher)
    random = make_teacher("random", "official", seed=3)
    assert isinstance(random, RandomTeacher)
    assert random.seed == 3
    assert isinstance(make_teacher(str(checkpoint), "generated-5"), PolicyTeacher)


def test_a_teacher_can_be_made_to_err(checkpoint: Path) -> None:
    wrong = make_teacher("playbook", "official", wrong=0.25, seed=7)
    assert isinstance(wrong, WrongTeacher)
    assert isinstance(wrong.teacher, PlaybookTeacher)
    assert (wrong.share, wrong.seed) == (0.25, 7)


@pytest.mark.parametrize("name", ["oracle", "missing.pt"])
def test_an_unknown_teacher_is_refused(name: str) -> None:
    with pytest.raises(PolicyError, match=f"no teacher '{name}': say playbook, passages, "):
        make_teacher(name, "official")


def test_a_checkpoint_for_another_network_is_refused(checkpoint: Path) -> None:
    with pytest.raises(PolicyError, match="as wide as its scenario, generated-5"):
        make_teacher(str(checkpoint), "generated-20")


def test_a_host_wise_checkpoint_teaches_anywhere(tmp_path: Path) -> None:
    blueprint = Blueprint(scenario="generated-5", kind="hostwise", width=4, rounds=1)
    save(tmp_path / "network.pt", build(blueprint), blueprint, {})
    teacher = make_teacher(str(tmp_path / "network.pt"), "generated-8")
    env = Cage2(1, torch.Generator(), scenario=load("generated-8"))
    memory = Cage2Memory(load("generated-8"))
    text = memory.recall(env.describe(0), torch.zeros(memory.state_size))
    assert teacher.distribution([text]).shape == (1, env.num_actions)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no network\n")
    with pytest.raises(PolicyError, match=r"notes\.txt"):
        make_teacher(str(tmp_path / "notes.txt"), "official")
