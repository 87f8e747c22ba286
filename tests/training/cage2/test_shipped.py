"""The committed networks score as they did when they were made."""

from __future__ import annotations

from pathlib import Path

import pytest

import training.cage2
from training.cage2.checkpoint import read
from training.cage2.evaluate import evaluate, simulator
from training.cage2.onnx_policy import OnnxPolicy
from training.cage2.policy_onnx import policy_onnx

CHECKPOINTS = Path(training.cage2.__file__).parent / "checkpoints"
EPISODES = 150
# With 1,000 episodes a cell they reached -44.8, -51.9 and -35.3, give or take 0.3.
WORSE = {"lb": -50.0, "head": -56.0, "repaired": -40.0}


@pytest.mark.parametrize("name", WORSE)
def test_a_shipped_network_scores_by_the_official_protocol(name: str, tmp_path: Path) -> None:
    network, blueprint, provenance = read(CHECKPOINTS / f"{name}.pt")
    assert (blueprint.scenario, blueprint.variant) == ("official", name)
    assert provenance["ppo"]
    path = tmp_path / "policy.onnx"
    path.write_bytes(policy_onnx(network))
    policy = OnnxPolicy(path, network.memory.num_features, network.memory.num_actions)
    arena = simulator(blueprint.variant)
    result = evaluate(policy, arena, name=name, episodes=EPISODES, seed=1)
    assert result.total > WORSE[name]


def test_every_shipped_network_is_scored() -> None:
    assert {path.stem for path in CHECKPOINTS.glob("*.pt")} == set(WORSE)
