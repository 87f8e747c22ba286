"""``sluice-train cage2 train``, ``export`` and ``evaluate`` as a user drives them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from training.cage2.checkpoint import read
from training.cage2.cli import app
from training.cage2.codes import Red
from training.cage2.env import Cage2
from training.cage2.scenario import Variant
from training.cage2.settings import Blueprint, Plan
from training.cage2.train import train
from training.errors import PolicyError
from training.ppo import PPO
from training.settings import Guidance, Settings

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "training" / "cage2" / "checkpoints"
COMMAND = (sys.executable, "-m", "training.cli", "cage2")
SMALL = ("--num-envs", "16", "--rollout", "50", "--horizon", "25", "--hidden", "16", "--json")
SHORT = ("--steps", "6400", "--seed", "7", *SMALL)
ENDED = {"settings.json", "metrics.csv", "curve.svg", "result.json", "network.pt"}
LONG = ("--steps", "16000", *SMALL)


def start(*arguments: str, hash_seed: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The exit code, standard output and standard error."""
    stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, stderr


def rows(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def wait_for_rows(folder: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if (folder / "metrics.csv").exists() and rows(folder):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("no metrics in a minute")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, dict[str, object]]]:
    """Two runs with the same settings, at the same time: folders and printed results."""
    folders = [tmp_path_factory.mktemp("runs") / f"new/{n}" for n in (1, 2)]
    begun = [start("train", str(folder), *SHORT, hash_seed=i) for i, folder in enumerate(folders)]
    ended = [end(process) for process in begun]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert [stderr for _, _, stderr in ended] == ["", ""]
    return [(f, json.loads(stdout)) for f, (_, stdout, _) in zip(folders, ended, strict=True)]


def test_a_run_prints_and_leaves_its_result(twins: list[tuple[Path, dict[str, object]]]) -> None:
    folder, result = twins[0]
    assert result["steps"] == 6400
    assert result["levelled_off"] is False
    assert json.loads((folder / "result.json").read_text()) == result
    assert [row["steps"] for row in rows(folder)] == [800.0 * i for i in range(1, 9)]
    assert result["return"] == pytest.approx(sum(row["return"] for row in rows(folder)) / 8)
    assert names(folder) == ENDED


def test_a_run_notes_what_was_asked(twins: list[tuple[Path, dict[str, object]]]) -> None:
    folder, result = twins[0]
    _, blueprint, provenance = read(folder / "network.pt")
    assert blueprint == Blueprint(hidden=[16])
    assert provenance["ppo"]["num_envs"] == 16
    assert provenance["horizon"] == 25
    assert provenance.items() >= result.items()
    asked = json.loads((folder / "settings.json").read_text())["asked"]
    assert asked["network"] == blueprint.model_dump(mode="json")
    assert asked["ppo"] == provenance["ppo"]


def test_a_seed_makes_the_same_weights_in_every_process(
    twins: list[tuple[Path, dict[str, object]]],
) -> None:
    one, other = (read(folder / "network.pt")[0].state_dict() for folder, _ in twins)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_trained_network_is_exported_and_evaluated(
    twins: list[tuple[Path, dict[str, object]]], tmp_path: Path
) -> None:
    network, policy = twins[0][0] / "network.pt", tmp_path / "policy.onnx"
    code, stdout, stderr = end(start("export", str(network), str(policy), "--json"))
    assert (code, stderr) == (0, "")
    exported = json.loads(stdout)
    assert exported["bytes"] == policy.stat().st_size
    assert exported["blueprint"] == Blueprint(hidden=[16]).model_dump(mode="json")
    assert exported["provenance"]["steps"] == 6400
    code, stdout, stderr = end(start("evaluate", str(policy), "--episodes", "2", "--json"))
    assert (code, stderr) == (0, "")
    scored = json.loads(stdout)
    assert scored["policy"] == str(policy)
    assert scored["total"] == pytest.approx(sum(cell["mean"] for cell in scored["cells"]))


def test_a_folder_whose_run_has_ended_is_refused(
    twins: list[tuple[Path, dict[str, object]]],
) -> None:
    folder = twins[0][0]
    before = (folder / "network.pt").read_bytes()
    code, stdout, stderr = end(start("train", str(folder), *SHORT))
    assert (code, stdout) == (1, "")
    assert stderr.startswith(f"error: {folder}: ")
    assert stderr.count("\n") == 1
    assert (folder / "network.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("option", "value"),
    [("--gamma", "2"), ("--num-envs", "0"), ("--schedule", "square"), ("--variant", "new")],
)
def test_a_bad_value_is_a_usage_error(tmp_path: Path, option: str, value: str) -> None:
    code, stdout, stderr = end(start("train", str(tmp_path / "run"), option, value))
    assert (code, stdout) == (2, "")
    assert option in stderr
    assert names(tmp_path) == set()


def test_a_device_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    code, stdout, stderr = end(start("train", str(tmp_path / "run"), "--device", "nonsense"))
    assert (code, stdout) == (1, "")
    assert stderr.startswith("error: device 'nonsense': ")
    assert stderr.count("\n") == 1
    assert names(tmp_path) == set()


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    cut = start("train", str(folder), *LONG)
    wait_for_rows(folder, cut)
    cut.send_signal(signal.SIGINT)
    code, stdout, stderr = end(cut)
    assert (code, stdout) == (130, "")
    assert "Traceback" not in stderr
    assert names(folder) == {"settings.json", "metrics.csv", "resume.pt"}
    early = rows(folder)
    assert early[-1]["steps"] < 16000
    code, stdout, stderr = end(start("train", str(folder), *LONG))
    assert (code, stderr) == (0, "")
    assert json.loads(stdout)["steps"] == 16000
    assert rows(folder)[: len(early)] == early
    assert len(rows(folder)) > len(early)
    assert names(folder) == ENDED


def test_a_teacher_guides_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    guided = ("--teacher", "playbook", "--full-until", "16", "--passes", "20", "--wrong", "0.1")
    fast = ("--learning-rate", "0.01")
    code, stdout, stderr = end(start("train", str(folder), *SHORT, *guided, *fast))
    assert (code, stderr) == (0, "")
    table = rows(folder)
    # Rollouts begin after 0, 32, 64 … episodes: steps down after 16, 24, 32 and 40.
    assert [row["mask"] for row in table[:3]] == [1.0, 0.25, 0.0]
    assert [row["auxiliary"] for row in table[:3]] == [1.0, 0.25, 0.0]
    assert table[1]["agreement"] > table[0]["agreement"] + 0.1
    asked = json.loads((folder / "settings.json").read_text())["asked"]
    assert (asked["teacher"], asked["wrong"], asked["guidance"]["passes"]) == ("playbook", 0.1, 20)
    assert json.loads(stdout)["signatures"] == {}


def test_training_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    plan = Plan(
        network=Blueprint(variant=Variant.LB, hidden=[64, 64]),
        ppo=Settings(num_envs=50, rollout=100, steps=5000, learning_rate=1e-6),
        start=str(SHIPPED / "lb-small.pt"),
    )
    assert train(tmp_path / "network.pt", plan)["return"] > -20  # about -400 from scratch


def test_a_checkpoint_of_another_form_is_refused(tmp_path: Path) -> None:
    plan = Plan(network=Blueprint(hidden=[8]), start=str(SHIPPED / "lb-small.pt"))
    with pytest.raises(PolicyError, match=r"lb-small\.pt: .*'hidden': \[64, 64\]"):
        train(tmp_path / "network.pt", plan)
    assert names(tmp_path) == set()


def test_an_unknown_teacher_is_one_line(tmp_path: Path) -> None:
    code, stdout, stderr = end(start("train", str(tmp_path / "run"), "--teacher", "oracle"))
    assert (code, stdout) == (1, "")
    assert stderr == (
        "error: no teacher 'oracle': say playbook, passages, lm, encoder, random, or the"
        " file of a checkpoint, of a language model (.gguf) or of an encoder (.onnx)\n"
    )
    assert names(tmp_path) == set()


def train_here(folder: Path) -> None:
    plan = Plan(
        network=Blueprint(hidden=[8]),
        ppo=Settings(num_envs=4, rollout=10, steps=200),
        red=(Red.B_LINE,),
        horizon=10,
        teacher="playbook",
        guidance=Guidance(full_until=4, interval=4, passes=1),
    )
    train(folder / "network.pt", plan)


@pytest.mark.parametrize(
    ("owner", "name", "call"), [(Cage2, "step", 5), (Cage2, "step", 15), (PPO, "loss", 20)]
)
def test_an_interrupted_run_ends_like_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, call: int
) -> None:
    calls, real = 0, getattr(owner, name)

    def interrupted(self: object, *arguments: object) -> object:
        nonlocal calls
        calls += 1
        result = real(self, *arguments)
        if calls == call:
            signal.raise_signal(signal.SIGINT)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_here(tmp_path / "cut")
    train_here(tmp_path / "cut")
    train_here(tmp_path / "whole")
    cut, whole = (read(tmp_path / n / "network.pt")[0].state_dict() for n in ("cut", "whole"))
    assert [name for name in cut if not torch.equal(cut[name], whole[name])] == []


def test_a_run_too_short_for_an_episode_has_no_return(tmp_path: Path) -> None:
    short = ("--steps", "16", "--num-envs", "16", "--rollout", "1", "--hidden", "8", "--json")
    done = CliRunner().invoke(app, ["train", str(tmp_path / "run"), *short])
    assert done.exception is None
    assert json.loads(done.stdout)["return"] is None


def test_training_raises_the_return(tmp_path: Path) -> None:
    plan = Plan(
        network=Blueprint(variant=Variant.LB, hidden=[64, 64]),
        ppo=Settings(num_envs=64, rollout=50, steps=32_000),
        horizon=25,
    )
    result = train(tmp_path / "network.pt", plan)
    returns = [row["return"] for row in rows(tmp_path)]
    assert sum(returns[-2:]) > 2 / 3 * sum(returns[:2])
    assert result["return"] == pytest.approx(sum(returns) / 10)
