"""A trained network as a bundle, as a user makes and uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.bundle import Bundle
from agent.cli import app as sluice
from agent.errors import BundleTampered
from agent.observation import FEATURES
from agent.policy import Policy
from tests.training.gateway.corpora import SAMPLES, sample, written
from training.checkpoint import save
from training.cli import app
from training.errors import CorpusError, PolicyError
from training.gateway.library import recordings_of
from training.gateway.policy import Chooser, read
from training.provenance import sha256


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and its bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    written(
        folder / "corpus.toml",
        sample("scan"), sample("home", "validation"), sample("office", "held-out"),
    )  # fmt: skip
    _run(
        folder, "train", str(folder / "run"), "--unguided", "--rehearsal", "200",
        "--rehearsal-batch", "256", "--steps", "2048", "--num-envs", "32", "--rollout", "32",
        "--harm", "1", "--margin", "1",
    )  # fmt: skip
    return folder


def _run(folder: Path, *arguments: str) -> dict[str, Any]:
    command = ["gateway", *arguments, "--corpus", str(folder / "corpus.toml")]
    command += ["--folder", str(SAMPLES), "--cache", str(folder / "cache"), "--json"]
    result = CliRunner().invoke(app, [*command, "--processes", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_bundle_does_what_the_checkpoint_does_and_says_what_it_is_worth(made: Path) -> None:
    out = made / "ours.sluice"
    told = _run(made, "bundle", str(made / "run" / "network.pt"), str(out), "--name", "ours")
    assert told["bytes"] == out.stat().st_size
    bundle = Bundle.load(out, (out.with_suffix(".pub").read_bytes(),))
    assert (bundle.manifest.name, told["sha256"]) == ("ours", bundle.digest)
    observations = np.random.default_rng(0).normal(size=(50, len(FEATURES))).astype(np.float32)
    network, _, about = read(made / "run" / "network.pt")
    wanted = Chooser(network).logits(observations)
    assert Policy(bundle).logits(observations) == pytest.approx(wanted, abs=1e-4)
    provenance = bundle.manifest.provenance
    assert provenance["caution"] == about["caution"]
    assert provenance["corpora_sha256"] == {about["corpora"][0]: sha256(made / "corpus.toml")}
    assert provenance["outcomes"] == told["outcomes"]
    (office,) = recordings_of([sample("office", "held-out")], SAMPLES, made / "cache")
    legitimate = office.recording.label[office.recording.flow] == 0
    ordinary = office.recording.observations[legitimate].mean(axis=0)
    assert bundle.manifest.baseline == pytest.approx(ordinary, abs=1e-5)
    stopped = told["outcomes"]["all_malicious"]["stopped"]
    assert f"{stopped:.2%}" in bundle.model_card
    assert "rehearsed by hindsight" in bundle.model_card
    capture = str(SAMPLES / "scan.pcap")
    replayed = CliRunner().invoke(
        sluice, ["replay", capture, "--policy", str(out), "--json"], catch_exceptions=False
    )
    assert replayed.exit_code == 0
    assert json.loads(replayed.stdout)["policy"]["name"] == "ours"


def test_another_bundle_s_key_does_not_fit(made: Path) -> None:
    for name in ("one", "two"):
        _run(made, "bundle", str(made / "run" / "network.pt"), str(made / f"{name}.sluice"))
    with pytest.raises(BundleTampered):
        Bundle.load(made / "one.sluice", ((made / "two.pub").read_bytes(),))


def test_what_cannot_be_measured_is_not_written(made: Path, tmp_path: Path) -> None:
    manifest = written(tmp_path / "corpus.toml", sample("scan"))
    command = ["gateway", "bundle", str(made / "run" / "network.pt"), str(tmp_path / "x.sluice")]
    with pytest.raises(CorpusError, match="no capture is held out"):
        CliRunner().invoke(app, [*command, "--corpus", str(manifest)], catch_exceptions=False)
    assert not (tmp_path / "x.sluice").exists()


def test_a_fine_tuned_policy_tells_of_the_run_that_it_comes_from(made: Path) -> None:
    network, blueprint, about = read(made / "run" / "network.pt")
    tuned = {"policy": {"provenance": {"policy": {"provenance": about}}}}  # twice
    save(made / "tuned.pt", network, blueprint, tuned)
    _run(made, "bundle", str(made / "tuned.pt"), str(made / "tuned.sluice"))
    bundle = Bundle.load(made / "tuned.sluice", ((made / "tuned.pub").read_bytes(),))
    assert bundle.manifest.kind.endswith("fine-tuned in operation")
    assert bundle.manifest.provenance["policy"] == tuned["policy"]
    assert f"{about['steps']:,} decisions" in bundle.model_card


def test_a_checkpoint_that_does_not_say_how_it_was_trained_is_refused(made: Path) -> None:
    network, blueprint, _ = read(made / "run" / "network.pt")
    save(made / "old.pt", network, blueprint, {"steps": 1})
    with pytest.raises(PolicyError, match="train it again"):
        _run(made, "bundle", str(made / "old.pt"), str(made / "old.sluice"))
    assert not (made / "old.sluice").exists()
