"""``sluice-train cage2 distill`` as a user drives it, and the shipped network in a small one."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import training.cage2
from training.cage2.checkpoint import build, read
from training.cage2.cli import app
from training.cage2.distill import Course, Tutor, distill
from training.cage2.settings import Blueprint
from training.checkpoint import save
from training.errors import PolicyError, RunError
from training.settings import Distilling

LB = Path(training.cage2.__file__).parent / "checkpoints" / "lb.pt"
SMALL = (
    "--num-envs", "8", "--rollout", "10", "--steps", "160", "--horizon", "10", "--hidden", "8",
    "--variant", "lb",
)  # fmt: skip


@pytest.fixture(autouse=True)
def quick_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git takes a second to look for changes."""
    monkeypatch.setattr("training.run.commit", lambda: "0123456789ab")


def invoke(*arguments: str) -> Any:
    terminal = {"COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return CliRunner().invoke(app, ["distill", *arguments], env=terminal)


def rows(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def taught(folder: Path, *teachers: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A short run's result and its network's provenance."""
    asked = [part for teacher in teachers for part in ("--teacher", teacher)]
    done = invoke(str(folder), *asked, *SMALL, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), read(folder / "network.pt")[2]


def test_a_run_leaves_a_student_that_names_its_teacher(tmp_path: Path) -> None:
    result, provenance = taught(tmp_path, str(LB))
    assert result["steps"] == 160
    assert {p.name for p in tmp_path.iterdir()} == {
        "settings.json", "metrics.csv", "curve.svg", "result.json", "network.pt",
    }  # fmt: skip
    assert read(tmp_path / "network.pt")[1] == Blueprint(variant="lb", hidden=[8])
    assert provenance.items() >= result.items()
    (teacher,) = provenance["teachers"]
    assert teacher["checkpoint"] == "lb.pt"
    assert teacher["sha256"] == hashlib.sha256(LB.read_bytes()).hexdigest()
    assert teacher["red"] == ["B_line", "Meander"]
    assert teacher["provenance"] == read(LB)[2]


def test_settings_say_what_was_asked_for(tmp_path: Path) -> None:
    _, provenance = taught(tmp_path, str(LB))
    asked = json.loads((tmp_path / "settings.json").read_text())["asked"]
    assert asked["distilling"]["num_envs"] == 8
    assert asked["network"]["hidden"] == [8]
    assert asked["horizon"] == 10
    assert provenance.items() >= asked.items()


def test_each_teacher_has_its_red_agent(tmp_path: Path) -> None:
    result, provenance = taught(tmp_path, f"{LB}:B_line", f"{LB}:Meander")
    assert [teacher["red"] for teacher in provenance["teachers"]] == [["B_line"], ["Meander"]]
    assert [row["steps"] for row in rows(tmp_path)] == [160]  # eight environments of each
    assert result["steps"] == 160


@pytest.mark.parametrize("red", ["b_line", "", "Blue"])
def test_a_red_agent_that_is_none_is_a_usage_error(tmp_path: Path, red: str) -> None:
    done = invoke(str(tmp_path / "run"), "--teacher", f"{LB}:{red}", *SMALL)
    assert done.exit_code == 2
    assert "--teacher" in done.output
    assert "B_line, Meander, Sleep" in done.output
    assert not (tmp_path / "run").exists()


def test_a_student_without_teachers_is_a_usage_error(tmp_path: Path) -> None:
    done = invoke(str(tmp_path / "run"), *SMALL)
    assert done.exit_code == 2
    assert "--teacher" in done.output


def refused(folder: Path, teacher: Path, **network: Any) -> str:
    course = Course(network=Blueprint(**network), teachers=(Tutor(checkpoint=teacher),))
    with pytest.raises(PolicyError, match=f"^{re.escape(str(teacher))}: ") as caught:
        distill(folder / "run" / "network.pt", course)
    assert not (folder / "run").exists()
    return str(caught.value)


def test_a_teacher_of_other_rules_is_refused(tmp_path: Path) -> None:
    assert "variant lb" in refused(tmp_path, LB, variant="head")


def test_a_teacher_of_another_network_is_refused(tmp_path: Path) -> None:
    other, path = Blueprint(scenario="generated-5", hidden=[4]), tmp_path / "other.pt"
    save(path, build(other), other, {})
    assert "scenario generated-5" in refused(tmp_path, path)


def test_a_teacher_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path, tmp_path / "none.pt")


def cut(row: dict[str, float]) -> None:
    raise KeyboardInterrupt


def teach(folder: Path, cut_at: int | None = None) -> dict[str, torch.Tensor]:
    """Two teachers, five iterations; the student's weights."""
    course = Course(
        network=Blueprint(variant="lb", hidden=[8]),
        distilling=Distilling(num_envs=4, rollout=6, steps=48 * 5, minibatches=2),
        teachers=(Tutor(checkpoint=LB, red=("B_line",)), Tutor(checkpoint=LB, red=("Meander",))),
        horizon=10,
    )

    def show(row: dict[str, float]) -> None:
        if row["steps"] == cut_at:
            raise KeyboardInterrupt

    distill(folder / "network.pt", course, show=show)
    return read(folder / "network.pt")[0].state_dict()


def test_a_cut_off_run_ends_like_another(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        teach(tmp_path / "cut", cut_at=48 * 3)
    cut, whole = teach(tmp_path / "cut"), teach(tmp_path / "whole")
    assert [name for name in cut if not torch.equal(cut[name], whole[name])] == []


def test_a_run_is_not_gone_on_with_by_another_teacher(tmp_path: Path) -> None:
    blueprint, teacher = Blueprint(hidden=[4]), tmp_path / "teacher.pt"
    network = build(blueprint)
    save(teacher, network, blueprint, {})
    small = Distilling(num_envs=2, rollout=2, minibatches=1)
    tutor = Tutor(checkpoint=teacher)
    course = Course(network=blueprint, distilling=small, teachers=(tutor,))
    with pytest.raises(KeyboardInterrupt):
        distill(tmp_path / "run" / "network.pt", course, show=cut)
    torch.nn.init.zeros_(network.critic[-1].weight)  # type: ignore[index, arg-type]
    save(teacher, network, blueprint, {})
    with pytest.raises(RunError, match="other settings"):
        distill(tmp_path / "run" / "network.pt", course)


def test_a_small_student_comes_near_the_shipped_network(tmp_path: Path) -> None:
    course = Course(
        network=Blueprint(variant="lb", hidden=[32]),
        distilling=Distilling(num_envs=32, rollout=25, steps=800 * 12, learning_rate=0.01),
        teachers=(Tutor(checkpoint=LB),),
        horizon=25,
    )
    distill(tmp_path / "network.pt", course)
    first, *_, last = rows(tmp_path)
    assert last["kl"] < 0.6 * first["kl"]
    assert last["agreement"] > first["agreement"]
    assert last["value_loss"] < first["value_loss"]
    assert last["return"] > first["return"]
