"""A trained network and its ONNX file are the same policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from training.cage2.checkpoint import build
from training.cage2.env import Cage2
from training.cage2.evaluate_command import evaluate_command
from training.cage2.onnx_policy import OnnxPolicy
from training.cage2.policy_onnx import Greedy, policy_onnx
from training.cage2.scenario import load
from training.cage2.settings import Blueprint
from training.errors import PolicyError
from training.networks import ActorCritic

SCENARIOS = ("official", "generated-5", "generated-20")
# And the layer that gives the logits.
KINDS = {
    "flat": (Blueprint(hidden=[32, 32]), "actor.4"),
    "hostwise": (Blueprint(kind="hostwise"), "on_host"),
}
STEPS = 40

app = typer.Typer()
app.command()(evaluate_command)


def lively(blueprint: Blueprint, last: str) -> ActorCritic:
    """A network whose logits are as far apart as a trained one's."""
    torch.manual_seed(1)
    network = build(blueprint)
    with torch.no_grad():
        network.get_parameter(f"{last}.weight").mul_(300)
    return network


@pytest.fixture(scope="module", params=KINDS)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[ActorCritic, Path]]:
    made, (blueprint, last) = {}, KINDS[request.param]
    for scenario in SCENARIOS:
        path = tmp_path_factory.mktemp("exported") / f"{scenario}.onnx"
        network = lively(blueprint.model_copy(update={"scenario": scenario}), last)
        path.write_bytes(policy_onnx(network))
        made[scenario] = network, path
    return made


def arena(scenario: str, batch: int) -> Cage2:
    generator = torch.Generator().manual_seed(2)
    return Cage2(batch, generator, scenario=load(scenario), horizon=STEPS)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("batch", [1, 7])
def test_a_played_episode_is_that_of_torch(
    exported: dict[str, tuple[ActorCritic, Path]], scenario: str, batch: int
) -> None:
    network, path = exported[scenario]
    env, greedy = arena(scenario, batch), Greedy(network)
    policy = OnnxPolicy(path, env.num_features, env.num_actions)
    policy.begin(batch)
    obs, state, taken = env.reset(), torch.zeros(batch, policy.state_size), set()
    for _ in range(STEPS):
        with torch.no_grad():
            wanted, wanted_state = greedy(obs, state)
        logits, after = policy._run(obs.numpy(), state.numpy())
        np.testing.assert_allclose(logits, wanted, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(after, wanted_state, atol=1e-5)
        action = torch.from_numpy(policy.act(obs.numpy()))  # by its own memory
        assert torch.equal(action, wanted.argmax(1))
        taken |= set(action.tolist())
        obs, state = env.step(action)[0], wanted_state
    assert len(taken) > 1


def test_the_state_is_as_wide_as_the_networks(
    exported: dict[str, tuple[ActorCritic, Path]],
) -> None:
    for network, path in exported.values():
        memory = network.memory
        policy = OnnxPolicy(path, memory.num_features, memory.num_actions)
        assert policy.state_size == network.state_size


@pytest.mark.parametrize(
    ("made_for", "played"), [("official", "generated-20"), ("generated-5", "official")]
)
def test_a_network_of_another_size_refuses_it(
    exported: dict[str, tuple[ActorCritic, Path]], made_for: str, played: str
) -> None:
    path = exported[made_for][1]
    done = CliRunner().invoke(app, [str(path), "--scenario", played, "--episodes", "2"])
    assert isinstance(done.exception, PolicyError)
    assert str(done.exception).startswith(f"{path}: ")
    assert f"[batch, {load(played).num_features}]" in str(done.exception)
