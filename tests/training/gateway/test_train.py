"""Training a gateway's policy, as a user would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.training.gateway.corpora import SAMPLES, sample, written
from training.cli import app
from training.errors import CorpusError
from training.gateway.library import recordings_of
from training.gateway.policy import Chooser, read
from training.gateway.rewards import Rewards
from training.gateway.score import score

_FEW = ["--num-envs", "32", "--rollout", "32", "--minibatches", "4", "--evaluate-every", "4"]


def _train(folder: Path, *options: str) -> dict[str, object]:
    manifest = written(folder.parent / "corpus.toml", sample("scan"), sample("home", "validation"))
    command = [
        *("gateway", "train", str(folder), "--corpus", str(manifest), "--folder", str(SAMPLES)),
        *("--cache", str(folder.parent / "cache"), "--processes", "1", "--json", *_FEW, *options),
    ]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_it_learns_to_stop_a_scan_and_to_leave_the_rest_alone(tmp_path: Path) -> None:
    """The capture has a scan and honest flows; what is learned earns nearly all there is."""
    _train(
        tmp_path / "run", "--unguided", "--steps", "50000", "--evaluate-every", "50",
        "--learning-rate", "0.003",
        "--moves", "0", "--gives-up", "0", "--ids", "0", "--retries", "0", "--leaves", "0",
        "--harm", "1", "--slowed", "1", "--margin", "1",
    )  # fmt: skip
    network, blueprint, about = read(tmp_path / "run" / "network.pt")
    assert blueprint.hidden == [64, 64]
    assert about["validation"] > -1e9
    (recorded,) = recordings_of([sample("scan")], SAMPLES, tmp_path / "cache")
    totals = score([recorded.recording], Chooser(network), Rewards())
    earned = sum(float(totals[name]) for name in totals if name != "decisions")
    malicious = (recorded.recording.label == 1).sum()
    most = Rewards().stop_malicious * malicious
    assert earned > 0.7 * most
    allowing = Rewards().harm * malicious
    assert allowing < 0 < earned


def test_a_teacher_guides_and_the_best_on_validation_is_kept(tmp_path: Path) -> None:
    result = _train(tmp_path / "run", "--steps", "8192")
    assert result["steps"] == 8192
    network, _, about = read(tmp_path / "run" / "network.pt")
    assert about["teacher"] == "playbook"
    (recorded,) = recordings_of([sample("home")], SAMPLES, tmp_path / "cache")
    totals = score([recorded.recording], Chooser(network), Rewards())
    earned = sum(float(totals[name]) for name in totals if name != "decisions")
    label = recorded.recording.label
    stakes = 10 * (label == 1).sum() + 5 * (label == 0).sum()
    assert earned / stakes == pytest.approx(result["validation"], rel=1e-4)


def test_the_same_seed_gives_the_same_network(tmp_path: Path) -> None:
    weights = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _train(tmp_path / name / "run", "--unguided", "--steps", "4096", "--seed", "7")
        weights.append(read(tmp_path / name / "run" / "network.pt")[0].state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_corpus_without_validation_is_refused(tmp_path: Path) -> None:
    manifest = written(tmp_path / "corpus.toml", sample("scan"))
    with pytest.raises(CorpusError, match="no capture is for validation"):
        CliRunner().invoke(
            app,
            ["gateway", "train", str(tmp_path / "run"), "--corpus", str(manifest),
             "--folder", str(SAMPLES), "--cache", str(tmp_path / "cache"), "--processes", "1"],
            catch_exceptions=False,
        )  # fmt: skip


def test_hindsight_comes_before_anything_is_played(tmp_path: Path) -> None:
    """PPO has next to no learning rate: what stops the scan was learned before."""
    _train(
        tmp_path / "run", "--unguided", "--rehearsal", "200", "--rehearsal-batch", "256",
        "--steps", "1024", "--learning-rate", "1e-9",
        "--harm", "1", "--slowed", "1", "--margin", "1",
    )  # fmt: skip
    network, _, _ = read(tmp_path / "run" / "network.pt")
    (recorded,) = recordings_of([sample("scan")], SAMPLES, tmp_path / "cache")
    totals = score([recorded.recording], Chooser(network), Rewards())
    assert sum(float(totals[name]) for name in totals if name != "decisions") > 0


def test_what_validation_bears_is_held(tmp_path: Path) -> None:
    """The checkpoint has caution in it, and says how much and what it costs."""
    _train(tmp_path / "run", "--unguided", "--rehearsal", "200", "--steps", "2048")
    network, _, about = read(tmp_path / "run" / "network.pt")
    (recorded,) = recordings_of([sample("home")], SAMPLES, tmp_path / "cache")
    totals = score([recorded.recording], Chooser(network), Rewards())
    assert totals["stop_legitimate"].item() == 0
    assert about["costs"] == [{"stopped": 0.0, "slowed": 0.0}]
    assert about["caution"]["nats"] > 0
