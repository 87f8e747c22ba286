"""A host-wise network plays any scenario, whatever the order of its hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from training.cage2.checkpoint import build, on_scenario
from training.cage2.cli import app
from training.cage2.env import Cage2
from training.cage2.memory import Cage2Memory
from training.cage2.scenario import Scenario, load
from training.cage2.settings import Blueprint
from training.checkpoint import save
from training.errors import PolicyError, ScenarioError
from training.networks import ActorCritic
from training.ppo import PPO
from training.settings import Settings

HOSTWISE = Blueprint(kind="hostwise", width=16)
SIZES = {"generated-5": 5, "official": 13, "generated-20": 20}
BATCH = 6


def random_bits(memory: Cage2Memory) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    shapes = (BATCH, memory.num_features), (BATCH, memory.state_size)
    obs, state = (torch.randint(2, shape, generator=generator).float() for shape in shapes)
    return obs, state


def memory_of(network: ActorCritic) -> Cage2Memory:
    assert isinstance(network.memory, Cage2Memory)
    return network.memory


@pytest.fixture(scope="module")
def network() -> ActorCritic:
    """Made for the official scenario, its logits as far apart as a trained one's."""
    torch.manual_seed(1)
    network = build(HOSTWISE)
    with torch.no_grad():
        network.get_parameter("on_host.weight").mul_(300)
    return network


def relabelled(scenario: Scenario, order: list[int]) -> Scenario:
    content = scenario.model_dump()
    return Scenario.model_validate(content | {"hosts": [content["hosts"][i] for i in order]})


@pytest.mark.parametrize(
    "order",
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 12, 10, 11, 9, 8],  # of the user subnet
        [2, 0, 3, 1, 7, 6, 5, 4, 8, 9, 10, 11, 12],  # of both others
        [12, 3, 7, 0, 9, 1, 11, 5, 2, 8, 10, 6, 4],
    ],
)
def test_hosts_in_another_order_have_the_same_logits(
    network: ActorCritic, order: list[int]
) -> None:
    scenario = load("official")
    moved, _ = on_scenario(network, HOSTWISE, "official")
    moved.memory = Cage2Memory(relabelled(scenario, order))
    obs, state = random_bits(memory_of(network))
    hosts = state[:, :-1].view(BATCH, 13, -1)[:, order].flatten(1)
    there = obs.view(BATCH, 13, 4)[:, order].flatten(1), torch.cat([hosts, state[:, -1:]], 1)
    (logits, value), (other, other_value) = network(obs, state), moved(*there)
    torch.testing.assert_close(logits[:, :2], other[:, :2])
    wanted = logits[:, 2:].view(BATCH, -1, 13)[..., order].flatten(1)
    # But for the little by which the first of equals is preferred.
    torch.testing.assert_close(wanted, other[:, 2:], atol=3e-3, rtol=0)
    torch.testing.assert_close(value, other_value)
    assert logits[0, 2:].view(-1, 13)[0].std() > 0.1


@pytest.mark.parametrize("scenario", SIZES)
def test_one_set_of_weights_plays_any_scenario(network: ActorCritic, scenario: str) -> None:
    moved, blueprint = on_scenario(network, HOSTWISE, scenario)
    assert blueprint == HOSTWISE.model_copy(update={"scenario": scenario})
    for weights, others in zip(network.parameters(), moved.parameters(), strict=True):
        assert torch.equal(weights, others)
    env = Cage2(BATCH, torch.Generator().manual_seed(1), scenario=load(scenario))
    state = torch.zeros(BATCH, moved.state_size)
    logits, value = moved(env.reset(), state)
    assert logits.shape == (BATCH, 2 + 11 * SIZES[scenario])
    assert logits.isfinite().all()
    assert value.isfinite().all()
    assert torch.equal(logits == -1e9, ~moved.memory.useful(state))


def test_a_moved_network_leaves_the_first_as_it_was(network: ActorCritic) -> None:
    moved, _ = on_scenario(network, HOSTWISE, "generated-5")
    before = [weights.clone() for weights in network.parameters()]
    with torch.no_grad():
        for weights in moved.parameters():
            weights.zero_()
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert memory_of(network).hosts == 13


def test_a_flat_network_plays_its_own_scenario_only() -> None:
    flat = Blueprint(hidden=[8])
    with pytest.raises(PolicyError, match=r"flat .* official, .* --kind hostwise$"):
        on_scenario(build(flat), flat, "generated-5")


def test_a_scenario_with_other_actions_is_refused(network: ActorCritic, tmp_path: Path) -> None:
    content: dict[str, Any] = load("official").model_dump(mode="json")
    content["catalogue"]["decoys"] = content["catalogue"]["decoys"][:-1]
    (path := tmp_path / "other.json").write_text(json.dumps(content))
    with pytest.raises(PolicyError, match="other kinds of actions"):
        on_scenario(network, HOSTWISE, str(path))


def test_a_scenario_that_does_not_exist_is_named(network: ActorCritic) -> None:
    with pytest.raises(ScenarioError, match="nowhere"):
        on_scenario(network, HOSTWISE, "nowhere")


def test_it_learns() -> None:
    torch.manual_seed(1)
    env = Cage2(64, torch.Generator(), horizon=25, scenario=load("generated-5"))
    blueprint = HOSTWISE.model_copy(update={"scenario": "generated-5"})
    settings = Settings(num_envs=64, rollout=25, steps=16_000, learning_rate=3e-3)
    ppo = PPO(env, build(blueprint), settings)
    returns = [ppo.iterate()["return"] for _ in range(10)]
    assert sum(returns[-2:]) > 2 / 3 * sum(returns[:2])


def called(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exception is None
    return json.loads(done.stdout)


def test_a_trained_network_defends_another_scenario(tmp_path: Path) -> None:
    folder, policy = tmp_path / "run", tmp_path / "policy.onnx"
    short = "--steps", "400", "--num-envs", "8", "--rollout", "25", "--horizon", "25"
    called("train", str(folder), "--kind", "hostwise", "--width", "8", "--rounds", "1", *short)
    there = "--scenario", "generated-20"
    exported = called("export", str(folder / "network.pt"), str(policy), *there)
    assert exported["blueprint"]["scenario"] == "generated-20"
    assert exported["provenance"]["network"]["scenario"] == "official"
    scored = called("evaluate", str(policy), *there, "--episodes", "2")
    assert scored["scenario"] == "generated-20-0"


def test_a_flat_checkpoint_is_not_exported_for_another_scenario(tmp_path: Path) -> None:
    checkpoint, policy = tmp_path / "network.pt", tmp_path / "policy.onnx"
    flat = Blueprint(hidden=[8])
    save(checkpoint, build(flat), flat, {})
    arguments = ["export", str(checkpoint), str(policy), "--scenario", "generated-5"]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, PolicyError)
    assert not policy.exists()
