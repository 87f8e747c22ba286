"""A gateway's checkpoint as a bundle, as a user makes and uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.bundle import Bundle
from agent.cli import app as sluice
from agent.errors import BundleTampered, OutputError, ProfileError
from agent.int8 import unpacked
from agent.keys import read_public_key
from agent.observation import FEATURES
from agent.policy import Policy
from agent.profile import Profile, path_of
from export.cli import app
from export.errors import GateFailed
from export.policy_onnx import policy_onnx
from tests.training.gateway.corpora import SAMPLES, sample, written
from training.checkpoint import save
from training.cli import app as train
from training.errors import CorpusError, PolicyError
from training.gateway.library import recordings_of
from training.gateway.policy import read
from training.provenance import sha256

_QUICK = ("--distil-steps", "300", "--prune-rounds", "1", "--prune-steps", "200")
_TUNED = ("--tune-steps", "200", "--tries", "1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and a profile that takes what comes of such short learning."""
    folder = tmp_path_factory.mktemp("export")
    written(
        folder / "corpus.toml",
        sample("scan"), sample("home", "validation"), sample("office", "held-out"),
    )  # fmt: skip
    command = ["gateway", "train", str(folder / "run"), "--unguided", "--rehearsal", "200"]
    command += ["--rehearsal-batch", "256", "--steps", "2048", "--num-envs", "32"]
    command += ["--rollout", "32", "--harm", "1", "--margin", "1", *_corpus(folder)]
    found = CliRunner().invoke(train, command, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    text = path_of("container").read_text().replace('name = "container"', 'name = "test"')
    (folder / "test.toml").write_text(text.replace("latency_us = 500 ", "latency_us = 100000"))
    return folder


def _corpus(folder: Path) -> list[str]:
    return [
        "--corpus", str(folder / "corpus.toml"), "--folder", str(SAMPLES),
        "--cache", str(folder / "cache"), "--processes", "1", "--json",
    ]  # fmt: skip


def _invoke(
    folder: Path, *arguments: str, network: str = "run/network.pt", profile: str = "test.toml"
) -> Any:
    command = ["gateway", str(folder / network), *arguments, *_corpus(folder)]
    box = str(folder / profile) if profile.endswith(".toml") else profile
    command += ["--profile", box, "--work", str(folder / "work")]
    return CliRunner().invoke(app, [*command, *_QUICK, *_TUNED], catch_exceptions=False)


def _run(folder: Path, *arguments: str, network: str = "run/network.pt") -> dict[str, Any]:
    result = _invoke(folder, *arguments, network=network)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def told(made: Path) -> dict[str, Any]:
    """What the command says of ``ours.sluice``, quantised after training so that it is quick."""
    return _run(made, str(made / "ours.sluice"), "--name", "ours", "--method", "ptq")


def test_a_bundle_says_what_it_is_and_does_what_was_measured(
    made: Path, told: dict[str, Any]
) -> None:
    out = made / "ours.sluice"
    bundle = Bundle.load(out, (read_public_key(out.with_suffix(".pub")),))
    manifest = bundle.manifest
    assert (told["bytes"], told["sha256"]) == (out.stat().st_size, bundle.digest)
    assert (manifest.name, manifest.profile, manifest.quantisation) == ("ours", "test", "int8")
    assert manifest.limits == Profile.load(made / "test.toml").limits.model_dump()
    assert bundle.npz is not None
    assert policy_onnx(unpacked(bundle.npz), "int8") == bundle.onnx
    observations = np.random.default_rng(0).random((50, len(FEATURES)), np.float32)
    by = {name: Policy(bundle, name).logits(observations) for name in ("onnxruntime", "numpy")}  # type: ignore[arg-type]
    np.testing.assert_array_equal(by["onnxruntime"], by["numpy"])
    gates = {gate.name: gate for gate in manifest.gates}
    assert gates["agreement"].found >= 0.995
    assert gates["runners_verdicts"].found == 0
    assert gates["bundle"].found == pytest.approx(out.stat().st_size / 1024, rel=0.05)
    assert all(gate.passed for gate in gates.values())


def test_its_manifest_tells_where_it_comes_from(made: Path, told: dict[str, Any]) -> None:
    bundle = Bundle.load(made / "ours.sluice", (read_public_key(made / "ours.pub"),))
    _, _, about = read(made / "run" / "network.pt")
    provenance = bundle.manifest.provenance
    assert provenance["caution"] == about["caution"]
    assert provenance["corpora_sha256"] == {about["corpora"][0]: sha256(made / "corpus.toml")}
    assert provenance["checkpoint_sha256"] == sha256(made / "run" / "network.pt")
    assert provenance["outcomes"] == told["outcomes"]
    assert list(bundle.manifest.stages) == ["distil", "prune", "quantize", "onnx"]
    (home,) = recordings_of([sample("home", "validation")], SAMPLES, made / "cache")
    legitimate = home.recording.label[home.recording.flow] == 0
    ordinary = home.recording.observations[legitimate].mean(axis=0)
    assert bundle.manifest.baseline == pytest.approx(ordinary, abs=1e-5)
    stopped = told["outcomes"]["all_malicious"]["stopped"]
    assert f"{stopped:.2%}" in bundle.model_card
    assert "rehearsed by hindsight" in bundle.model_card


def test_the_agent_replays_with_it(made: Path, told: dict[str, Any]) -> None:
    capture = str(SAMPLES / "scan.pcap")
    for runner in ("onnxruntime", "numpy"):
        command = ["replay", capture, "--policy", str(made / "ours.sluice"), "--json"]
        found = CliRunner().invoke(sluice, [*command, "--runner", runner], catch_exceptions=False)
        assert found.exit_code == 0
        assert json.loads(found.stdout)["policy"]["name"] == "ours"


def test_the_same_key_makes_the_same_bytes_and_nothing_twice(made: Path) -> None:
    key = made / "key.pem"
    assert CliRunner().invoke(app, ["keygen", str(key)]).exit_code == 0
    for name in ("one", "two"):
        _run(made, str(made / f"{name}.sluice"), "--method", "ptq", "--key", str(key))
    one, two = (
        Bundle.load(made / f"{name}.sluice", (read_public_key(key.with_suffix(".pub")),))
        for name in ("one", "two")
    )
    assert (one.onnx, one.npz) == (two.onnx, two.npz)
    assert one.manifest.stages == two.manifest.stages
    contents = [(made / f"{name}.sluice").read_bytes() for name in ("one", "two")]
    assert contents[0] == contents[1]
    with pytest.raises(BundleTampered):
        Bundle.load(made / "one.sluice", (read_public_key(made / "ours.pub"),))


def test_a_smaller_student_is_distilled_pruned_and_trained_in_bytes(made: Path) -> None:
    text = (made / "test.toml").read_text()
    small = text.replace("[policy]", "[policy]\nhidden = [32, 32]\npruned = 0.5")
    (made / "small.toml").write_text(small.replace('name = "test"', 'name = "small"'))
    out, until = str(made / "small.sluice"), ("--until", "quantize")
    result = _invoke(made, out, *until, profile="small.toml")
    assert result.exit_code == 0, result.output
    work = made / "work/32-32-pruned-0.5"
    assert unpacked((work / "policy.npz").read_bytes()).widths == (64, 16, 16, 4)
    assert not (made / "small.sluice").exists()
    stages = {
        name: json.loads((work / f"{name}.json").read_text())["about"]
        for name in ("distil", "prune", "quantize")
    }
    assert stages["distil"]["widths"] == [64, 32, 32, 4]
    assert stages["prune"]["widths"] == [64, 16, 16, 4]
    assert len(stages["quantize"]["tries"]) == 1


def test_a_policy_that_a_box_cannot_bear_is_not_written(made: Path) -> None:
    text = (made / "test.toml").read_text().replace("bundle_kib = 1024", "bundle_kib = 3")
    (made / "tiny.toml").write_text(text)
    with pytest.raises(GateFailed, match=r"test: bundle is .* KiB, .* more than 3"):
        _invoke(made, str(made / "tiny.sluice"), "--method", "ptq", profile="tiny.toml")
    assert not (made / "tiny.sluice").exists()


def test_what_cannot_be_measured_is_not_written(made: Path, tmp_path: Path) -> None:
    manifest = written(tmp_path / "corpus.toml", sample("scan"))
    with pytest.raises(CorpusError, match="no capture is held out"):
        _invoke(made, str(tmp_path / "x.sluice"), "--test", str(manifest))
    assert not (tmp_path / "x.sluice").exists()


def test_a_fine_tuned_policy_tells_of_the_run_that_it_comes_from(made: Path) -> None:
    network, blueprint, about = read(made / "run" / "network.pt")
    tuned = {"policy": {"provenance": {"policy": {"provenance": about}}}}  # twice
    save(made / "tuned.pt", network, blueprint, tuned)
    _run(made, str(made / "tuned.sluice"), "--method", "ptq", network="tuned.pt")
    bundle = Bundle.load(made / "tuned.sluice", (read_public_key(made / "tuned.pub"),))
    assert bundle.manifest.kind.endswith("fine-tuned in operation")
    assert bundle.manifest.provenance["policy"] == tuned["policy"]
    assert f"{about['steps']:,} decisions" in bundle.model_card


def test_a_checkpoint_that_does_not_say_how_it_was_trained_is_refused(made: Path) -> None:
    network, blueprint, _ = read(made / "run" / "network.pt")
    save(made / "old.pt", network, blueprint, {"steps": 1})
    with pytest.raises(PolicyError, match="train it again"):
        _run(made, str(made / "old.sluice"), network="old.pt")
    assert not (made / "old.sluice").exists()


def test_mistakes_are_told_before_anything_is_learned(made: Path) -> None:
    result = _invoke(made, str(made / "x.sluice"), "--until", "sign")
    assert result.exit_code == 2
    with pytest.raises(ProfileError, match="no profile is called toaster"):
        _invoke(made, str(made / "x.sluice"), profile="toaster")
    with pytest.raises(OutputError):
        _invoke(made, str(made / "corpus.toml" / "x.sluice"))
