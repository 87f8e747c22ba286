"""``sluice-export cage2``: gates by hand, and the whole way on a policy that is easily learned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from agent.bundle import POLICY_NPZ, POLICY_ONNX, Bundle
from agent.errors import BundleError, ConfigError, OutputError, ProfileError, SluiceError
from agent.int8 import Int8Network, unpacked
from agent.keys import read_public_key
from agent.profile import Profile
from export import cage2_gates
from export.cage2_gates import compare, score_gate
from export.cage2_onnx import allowed_operators, cage2_onnx
from export.cage2_stages import Source
from export.cli import app
from export.errors import GateFailed
from export.gates import graph_gates
from export.keygen_command import write_keys
from export.quantize import Ranges, quantised
from tests.export.students import policy
from training.cage2.checkpoint import fresh
from training.cage2.memory import Cage2Memory
from training.cage2.onnx_policy import OnnxPolicy
from training.cage2.policy_onnx import policy_onnx
from training.cage2.settings import Blueprint
from training.checkpoint import save
from training.errors import PolicyError

SMALL = Blueprint(scenario="generated-5", hidden=[8])
TINY = ("--hidden", 12, "--steps", 30, "--episodes", 2)


def cage2(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["cage2", *map(str, arguments)])


def scored(before: float, after: float) -> dict[str, dict[str, float]]:
    pairs = {"float32": before, "policy": after}
    return {name: {"total": total, "total_se": 0.25} for name, total in pairs.items()}


def network_of(memory: Cage2Memory, seed: int = 7) -> Int8Network:
    student = policy(memory.num_inputs, 12, memory.num_actions, seed=seed)
    return quantised(student, Ranges.of(student, torch.rand(200, memory.num_inputs)))


@pytest.fixture(scope="module")
def sleeper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that sleeps whatever it sees, on a small network."""
    network = fresh(SMALL, seed=1)
    with torch.no_grad():
        network.get_parameter("actor.2.weight").zero_()
        network.get_parameter("actor.2.bias")[0] = 8
    path = tmp_path_factory.mktemp("sleeper") / "network.pt"
    save(path, network, SMALL, {"note": "by hand"})
    return path


@pytest.fixture(scope="module")
def exported(sleeper: Path) -> tuple[Path, dict[str, object]]:
    """Its bundle, and what the command said."""
    out = sleeper.parent / "made" / "sleeper.sluice"
    done = cage2(sleeper, out, *TINY, "--work", sleeper.parent / "work", "--json")
    assert done.exit_code == 0, done.output
    return out, json.loads(done.stdout.splitlines()[-1])


def test_the_bundle_verifies_and_says_what_it_was_made_of(
    exported: tuple[Path, dict[str, object]], sleeper: Path
) -> None:
    out, told = exported
    bundle = Bundle.open(out, (read_public_key(out.with_suffix(".pub")),))
    manifest, source = bundle.manifest, Source.of(sleeper)
    memory = source.network.memory
    assert (manifest.playground, manifest.quantisation, manifest.profile) == ("cage2", "int8", "")
    assert manifest.inputs == {"obs": ["batch", 20], "state": ["batch", memory.state_size]}
    assert manifest.outputs["logits"] == ["batch", memory.num_actions]
    assert manifest.provenance["sha256"] == source.sha256
    assert manifest.provenance["trained"] == {"note": "by hand"}
    assert list(manifest.stages) == ["distil", "prune", "quantize", "onnx"]
    assert all(gate.passed for gate in manifest.gates)
    assert told["gates"] == [gate.model_dump() for gate in manifest.gates]
    assert (told["sha256"], told["bytes"]) == (bundle.digest, out.stat().st_size)
    assert source.sha256 in bundle.model_card
    assert "| total | " in bundle.model_card


def test_its_two_files_are_the_same_policy_which_sleeps(
    exported: tuple[Path, dict[str, object]], sleeper: Path
) -> None:
    out, _ = exported
    bundle = Bundle.open(out, (read_public_key(out.with_suffix(".pub")),))
    assert bundle.npz is not None
    memory = Source.of(sleeper).network.memory
    assert bundle.onnx == cage2_onnx(memory, unpacked(bundle.npz), "int8")
    player = OnnxPolicy(_written(sleeper.parent / POLICY_ONNX, bundle.onnx), 20, 57)
    player.begin(3)
    assert player.act(np.ones((3, 20), np.float32)).tolist() == [0, 0, 0]


def test_a_gateway_refuses_it(exported: tuple[Path, dict[str, object]]) -> None:
    out, _ = exported
    with pytest.raises(BundleError, match="a policy for 'cage2'"):
        Bundle.load(out, (read_public_key(out.with_suffix(".pub")),))


def test_what_is_done_is_not_done_again_and_a_key_signs(
    exported: tuple[Path, dict[str, object]], sleeper: Path, tmp_path: Path
) -> None:
    first, _ = exported
    work = sleeper.parent / "work"
    before = {path: path.stat().st_mtime_ns for path in work.glob("*.json")}
    write_keys(tmp_path / "maker.pem", tmp_path / "maker.pub")
    out = tmp_path / "again.sluice"
    done = cage2(sleeper, out, *TINY, "--work", work, "--key", tmp_path / "maker.pem")
    assert done.exit_code == 0, done.output
    assert len(before) == 7
    assert before == {path: path.stat().st_mtime_ns for path in work.glob("*.json")}
    bundle = Bundle.open(out, (read_public_key(tmp_path / "maker.pub"),))
    assert not out.with_suffix(".pub").exists()
    old = Bundle.open(first, (read_public_key(first.with_suffix(".pub")),))
    assert (bundle.onnx, bundle.npz) == (old.onnx, old.npz)
    assert "runners_differ: 0 states, at most 0" in done.stdout


def test_a_profile_has_its_arithmetic_and_its_limits(
    exported: tuple[Path, dict[str, object]], sleeper: Path, tmp_path: Path
) -> None:
    profile = Profile.named("x86-64-gateway")
    out, work = tmp_path / "box.sluice", sleeper.parent / "work"
    done = cage2(sleeper, out, *TINY, "--work", work, "--profile", profile.name)
    assert done.exit_code == 0, done.output
    manifest = Bundle.open(out, (read_public_key(out.with_suffix(".pub")),)).manifest
    assert (manifest.profile, manifest.quantisation) == (profile.name, profile.policy.quantisation)
    (size,) = (gate for gate in manifest.gates if gate.name == "bundle")
    assert size.limit == manifest.limits["bundle_kib"] == profile.limits.bundle_kib


def test_a_failed_gate_says_by_how_much_and_writes_no_bundle(
    exported: tuple[Path, dict[str, object]],
    sleeper: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cage2_gates, "SCORE_LOSS", -0.5)
    out = tmp_path / "b.sluice"
    done = cage2(sleeper, out, *TINY, "--work", sleeper.parent / "work")
    assert isinstance(done.exception, GateFailed)
    assert "score_loss is 0 share, 0.5 more than -0.5" in str(done.exception)
    assert not out.exists()
    assert not out.with_suffix(".pub").exists()


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        (["--key", "absent.pem"], ConfigError, "absent.pem"),
        (["--profile", "no-such-box"], ProfileError, "no-such-box"),
    ],
)
def test_mistakes_are_found_before_anything_is_learned(
    sleeper: Path, tmp_path: Path, options: list[str], kind: type[SluiceError], says: str
) -> None:
    done = cage2(sleeper, tmp_path / "b.sluice", "--work", tmp_path / "work", *options)
    assert isinstance(done.exception, kind)
    assert says in str(done.exception)
    assert not (tmp_path / "work").exists()


def test_what_is_no_checkpoint_or_no_place_to_write_is_refused(
    sleeper: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no checkpoint")
    work = "--work", tmp_path / "work"
    assert isinstance(cage2(tmp_path / "none", tmp_path / "b", *work).exception, PolicyError)
    assert isinstance(cage2(tmp_path / "file", tmp_path / "b", *work).exception, PolicyError)
    done = cage2(sleeper, tmp_path / "file" / "b.sluice", *work)
    assert isinstance(done.exception, OutputError)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("usage", [["--prune", "1.5"], ["--hidden", "0"], ["--episodes", "1"]])
def test_bad_usage_exits_with_2(sleeper: Path, tmp_path: Path, usage: list[str]) -> None:
    assert cage2(sleeper, tmp_path / "b.sluice", *usage).exit_code == 2


def test_the_score_may_fall_by_2_percent() -> None:
    kept, lost, better = (score_gate(scored(-50, after)) for after in (-51, -51.01, -49))
    assert (kept.found, kept.limit, kept.passed) == (0.02, 0.02, True)
    assert (lost.found, lost.passed) == (pytest.approx(0.0202), False)
    assert (better.found, better.passed) == (-0.02, True)
    assert lost.note == "-51.01 ± 0.25, float32 -50.00 ± 0.25"
    assert score_gate(scored(0, 0)).passed
    assert not score_gate(scored(0, -0.1)).passed


def test_the_comparison_sees_another_network(
    sleeper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source.of(sleeper)
    network, other = (network_of(source.network.memory, seed) for seed in (7, 8))
    right = compare(source, network)
    assert (right.states, right.differing) == (6400, 0)
    assert right.agreed < 6400  # it does not sleep
    forms = {"int8": network, "fp32": other}
    monkeypatch.setattr(
        cage2_gates, "cage2_onnx", lambda memory, _, form: cage2_onnx(memory, forms[form], form)
    )
    assert compare(source, network).differing == 6400


def test_a_graph_of_floats_fails_its_gates(sleeper: Path) -> None:
    source = Source.of(sleeper)
    foreign, missing = graph_gates(
        policy_onnx(source.network), allowed_operators("int8"), "int8", 2
    )
    assert (foreign.found, foreign.note, foreign.passed) == (1, "Tanh", False)
    assert (missing.found, missing.passed) == (2, False)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_both_files_count(exported: tuple[Path, dict[str, object]]) -> None:
    out, _ = exported
    bundle = Bundle.open(out, (read_public_key(out.with_suffix(".pub")),))
    gates = {gate.name: gate for gate in bundle.manifest.gates}
    for name in (POLICY_ONNX, POLICY_NPZ):
        assert gates[name].found == bundle.sizes[name] / 1000
        assert gates[name].limit == 300
