"""The committed networks score as they did when they were made."""

from __future__ import annotations

import hashlib
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
SMALL = "-small"  # distilled from the other of the same variant


@pytest.mark.parametrize("name", [variant + size for variant in WORSE for size in ("", SMALL)])
def test_a_shipped_network_scores_by_the_official_protocol(name: str, tmp_path: Path) -> None:
    network, blueprint, _ = read(CHECKPOINTS / f"{name}.pt")
    variant = name.removesuffix(SMALL)
    assert (blueprint.scenario, blueprint.variant) == ("official", variant)
    path = tmp_path / "policy.onnx"
    path.write_bytes(policy_onnx(network))
    policy = OnnxPolicy(path, network.memory.num_features, network.memory.num_actions)
    arena = simulator(blueprint.variant)
    result = evaluate(policy, arena, name=name, episodes=EPISODES, seed=1)
    assert result.total > WORSE[variant]


@pytest.mark.parametrize("variant", WORSE)
def test_a_small_network_names_its_teacher(variant: str) -> None:
    teacher = read(CHECKPOINTS / f"{variant}{SMALL}.pt")[2]["teachers"][0]
    content = (CHECKPOINTS / f"{variant}.pt").read_bytes()
    assert teacher["sha256"] == hashlib.sha256(content).hexdigest()
    assert teacher["provenance"]["ppo"]


def test_every_shipped_network_is_scored() -> None:
    names = {path.stem for path in CHECKPOINTS.glob("*.pt")}
    assert names == {variant + size for variant in WORSE for size in ("", SMALL)}
