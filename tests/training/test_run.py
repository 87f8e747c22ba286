"""A run's folder through beginnings, cuts and ends."""

from __future__ import annotations

import csv
import json
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.tasks import FirstSight, Identity, Recall
from training.errors import RunError
from training.networks import FlatActorCritic
from training.ppo import PPO
from training.run import levelled_off, run
from training.settings import Ending, Settings

ITERATION = 4 * 6  # steps of each; episodes of four steps are running when it ends
ABOUT = {"task": "recall"}
ROW = {"steps", "return", "kl", "steps_per_second", "seconds"}  # and what else PPO measures


@pytest.fixture(autouse=True)
def quick_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git takes a second to look for changes."""
    monkeypatch.setattr("training.run.commit", lambda: "0123456789ab")


def make(task: type[Identity] = Recall, **changes: Any) -> PPO:
    settings = {"num_envs": 4, "rollout": 6, "steps": ITERATION * 8, "minibatches": 2} | changes
    torch.manual_seed(1)
    network = FlatActorCritic(FirstSight(task.num_features, task.num_actions), [8])
    return PPO(task(torch.Generator(), settings["num_envs"]), network, Settings(**settings))


def rows(folder: Path) -> list[dict[str, str]]:
    """Of the metrics, without what two runs cannot share."""
    with (folder / "metrics.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert all(row.pop("steps_per_second") and row.pop("seconds") for row in found)
    return found


def cut_at(count: int, error: type[BaseException] = KeyboardInterrupt) -> Callable[..., None]:
    """Cuts a run off when it shows so many iterations."""

    def show(row: dict[str, float]) -> None:
        if row["steps"] == count * ITERATION:
            raise error

    return show


def fail(_: object) -> None:
    raise MemoryError


def cut_off(folder: Path, count: int, ppo: PPO | None = None, **changes: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(ppo or make(), folder, ABOUT, show=cut_at(count), **changes)


def assert_same(ppo: PPO, folder: Path, whole: PPO, other: Path) -> None:
    assert rows(folder) == rows(other)
    pairs = zip(ppo.network.parameters(), whole.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def compare(folder: Path, whole_folder: Path, **changes: Any) -> None:
    """Go on in a folder, and compare with a run that was never cut off."""
    ppo, whole = make(), make()
    result = run(ppo, folder, ABOUT, **changes)
    expected = run(whole, whole_folder, ABOUT, **changes)
    assert_same(ppo, folder, whole, whole_folder)
    assert result | {"seconds": 0} == expected | {"seconds": 0}


def test_a_run_leaves_its_files(tmp_path: Path) -> None:
    run(make(), tmp_path / "new" / "run", ABOUT)
    assert {path.name for path in (tmp_path / "new" / "run").iterdir()} == {
        "settings.json", "metrics.csv", "curve.svg", "result.json",
    }  # fmt: skip


def test_settings_say_what_was_asked_for_and_where_it_ran(tmp_path: Path) -> None:
    run(make(), tmp_path, ABOUT)
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["asked"] == ABOUT
    assert set(settings["begun"]) == {"commit", "machine"}


def test_metrics_have_a_row_for_each_rollout(tmp_path: Path) -> None:
    shown: list[dict[str, float]] = []
    run(make(), tmp_path, ABOUT, show=shown.append)
    found = rows(tmp_path)
    assert [int(row["steps"]) for row in found] == [ITERATION * n for n in range(1, 9)]
    assert [float(row["kl"]) for row in found] == [row["kl"] for row in shown]
    assert set(shown[0]) >= ROW


def test_result_says_how_it_ended(tmp_path: Path) -> None:
    result = run(make(), tmp_path, ABOUT)
    assert json.loads((tmp_path / "result.json").read_text()) == result
    returns = [float(row["return"]) for row in rows(tmp_path)]
    assert result["steps"] == 8 * ITERATION
    assert result["return"] == pytest.approx(sum(returns) / 8)
    assert result["levelled_off"] is False
    assert set(result) == {
        "steps", "return", "seconds", "levelled_off", "signatures", "commit", "machine",
    }  # fmt: skip


def test_a_run_without_an_ended_episode_has_no_return(tmp_path: Path) -> None:
    assert run(make(rollout=1, steps=8), tmp_path, ABOUT)["return"] is None


def test_finish_comes_before_the_end_is_written(tmp_path: Path) -> None:
    seen: list[bool] = []
    result = run(
        make(), tmp_path, ABOUT, finish=lambda _: seen.append((tmp_path / "result.json").exists())
    )
    assert seen == [False]
    assert result["steps"] == 8 * ITERATION


def test_a_cut_off_run_leaves_a_checkpoint(tmp_path: Path) -> None:
    cut_off(tmp_path, 3)
    assert {path.name for path in tmp_path.iterdir()} == {
        "settings.json", "metrics.csv", "resume.pt",
    }  # fmt: skip


def test_a_cut_off_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    cut_off(tmp_path / "cut", 3)
    cut_off(tmp_path / "cut", 5)
    ppo, whole = make(), make()
    run(ppo, tmp_path / "cut", ABOUT)
    run(whole, tmp_path / "whole", ABOUT)
    assert_same(ppo, tmp_path / "cut", whole, tmp_path / "whole")


def test_a_cut_off_run_has_the_same_result(tmp_path: Path) -> None:
    cut_off(tmp_path / "cut", 3)
    compare(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize("method", ["collect", "update", "loss", "env.step", "optimizer.step"])
def test_a_run_can_be_cut_off_anywhere(tmp_path: Path, method: str, call: int) -> None:
    ppo = make()
    *part, name = method.split(".")
    target: Any = getattr(ppo, part[0]) if part else ppo
    original, calls = getattr(target, name), iter(range(1, 1000))

    def interrupted(*values: Any) -> Any:
        done = original(*values)
        if next(calls) == (call * 5 if name in ("step", "loss") else call):
            raise KeyboardInterrupt
        return done

    setattr(target, name, interrupted)
    cut_off(tmp_path / "cut", 99, ppo)
    compare(tmp_path / "cut", tmp_path / "whole")


def test_rows_after_the_last_checkpoint_are_not_doubled(tmp_path: Path) -> None:
    cut_off(tmp_path / "cut", 2)
    with pytest.raises(MemoryError):
        run(make(), tmp_path / "cut", ABOUT, show=cut_at(5, MemoryError))
    assert len(rows(tmp_path / "cut")) == 5
    ppo, whole = make(), make()
    run(ppo, tmp_path / "cut", ABOUT)
    run(whole, tmp_path / "whole", ABOUT)
    assert_same(ppo, tmp_path / "cut", whole, tmp_path / "whole")


def test_a_run_that_had_levelled_off_does_not_go_on(tmp_path: Path) -> None:
    ending = Ending(window=1, tolerance=1e9)
    with pytest.raises(MemoryError):
        run(make(), tmp_path, ABOUT, ending=ending, save_every=0.0, finish=fail)
    before = rows(tmp_path)
    run(make(), tmp_path, ABOUT, ending=ending)
    assert rows(tmp_path) == before


@pytest.mark.parametrize(("save_every", "kept"), [(0.0, True), (1e9, False)])
def test_checkpoints_are_saved_so_often(tmp_path: Path, save_every: float, kept: bool) -> None:
    with pytest.raises(MemoryError):
        run(make(), tmp_path, ABOUT, save_every=save_every, show=cut_at(3, MemoryError))
    assert (tmp_path / "resume.pt").exists() == kept
    begun: list[float] = []
    run(make(), tmp_path, ABOUT, show=lambda row: begun.append(row["steps"]))
    assert begun[0] == (3 if kept else 1) * ITERATION
    assert len(rows(tmp_path)) == 8


@pytest.mark.parametrize("about", [{"task": "identity"}, {}, ABOUT | {"ppo": {"gamma": 0.5}}])
def test_another_runs_folder_is_refused(tmp_path: Path, about: dict[str, Any]) -> None:
    cut_off(tmp_path, 2)
    before = (tmp_path / "metrics.csv").read_bytes()
    with pytest.raises(RunError, match=f"^{re.escape(str(tmp_path))}: .*other settings"):
        run(make(), tmp_path, about)
    assert (tmp_path / "metrics.csv").read_bytes() == before


def seconds(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


def test_seconds_are_counted_over_all_parts(tmp_path: Path) -> None:
    cut_off(tmp_path, 3)
    saved = torch.load(tmp_path / "resume.pt", weights_only=True)
    assert 0 < saved["row"]["seconds"] == seconds(tmp_path)[-1]
    saved["row"]["seconds"] = 1000.0
    torch.save(saved, tmp_path / "resume.pt")
    result = run(make(), tmp_path, ABOUT)
    found = seconds(tmp_path)
    assert found == sorted(found)
    assert found[1] < 100
    assert found[2] == 1000
    assert found[-1] - 0.1 < result["seconds"] < 1100


def test_a_runs_rows_have_the_same_columns(tmp_path: Path) -> None:
    cut_off(tmp_path, 2)
    other, before = make(), (tmp_path / "metrics.csv").read_bytes()
    iterate = other.iterate
    other.iterate = lambda: iterate() | {"new": 0.0}  # type: ignore[method-assign]
    with pytest.raises(RunError, match=r"metrics\.csv: rows with other columns"):
        run(other, tmp_path, ABOUT)
    assert (tmp_path / "metrics.csv").read_bytes() == before


def test_settings_that_json_changes_are_still_the_same(tmp_path: Path) -> None:
    about = {"sizes": (8, 8)}
    with pytest.raises(KeyboardInterrupt):
        run(make(), tmp_path, about, show=cut_at(1))
    assert run(make(), tmp_path, about)["steps"] == 8 * ITERATION


def test_an_ended_runs_folder_is_refused(tmp_path: Path) -> None:
    run(make(), tmp_path, ABOUT)
    with pytest.raises(RunError, match=f"^{re.escape(str(tmp_path))}: .*has ended"):
        run(make(), tmp_path, ABOUT)


@pytest.mark.parametrize(
    ("window", "tolerance", "returns", "expected"),
    [
        (0, 0.1, [1.0] * 50, False),  # never
        (5, 0.1, [1.0] * 9, False),  # too few to say
        (5, 0.1, [1.0] * 10, True),
        (5, 0.1, [1.0] * 5 + [1.05] * 5, True),
        (5, 0.1, [1.0] * 5 + [1.2] * 5, False),
        (5, 0.1, [1.0] * 5 + [0.5] * 5, True),  # worse is not better
        (5, 0.1, [-10.0] * 5 + [-9.5] * 5, True),
        (5, 0.1, [-10.0] * 5 + [-8.0] * 5, False),
        (5, 0.0, [1.0] * 10, False),  # less than nothing
        (5, 0.0, [1.0] * 5 + [0.9] * 5, True),
    ],
)
def test_levelled_off(window: int, tolerance: float, returns: list[float], expected: bool) -> None:
    assert levelled_off(Ending(window=window, tolerance=tolerance), deque(returns)) is expected


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ([1.0] * 10, True),
        ([-9.0, -9.0, -8.0, -8.0, -6.0, -6.0, -4.0, -4.0, -2.0, -2.0], False),
        ([0.0, 0.0, 4.0, 4.0, 4.0, 4.0], True),
    ],
)
def test_levelled_off_looks_at_the_last_two_windows(returns: list[float], expected: bool) -> None:
    assert levelled_off(Ending(window=2, tolerance=0.1), deque(returns)) is expected


SOLVABLE: dict[str, Any] = {
    "num_envs": 16, "rollout": 16, "steps": 256 * 200, "learning_rate": 0.01, "reward_scale": 1.0,
    "schedule": "constant",
}  # fmt: skip


@pytest.mark.parametrize(
    "window",
    [8, 3],
)
def test_a_solved_task_ends_early(tmp_path: Path, window: int) -> None:
    result = run(
        make(Identity, **SOLVABLE), tmp_path, ABOUT, ending=Ending(window=window, tolerance=0.01)
    )
    assert result["levelled_off"] is True
    assert result["steps"] < 256 * 100
    assert len(rows(tmp_path)) == result["steps"] / 256
    assert result["return"] > 0.9 * 8


def test_signatures_of_failure_are_logged_once_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = run(make(Identity, **SOLVABLE), tmp_path, ABOUT)
    steps = result["signatures"]["sharp"]  # the task has one right answer
    first = next(row for row in rows(tmp_path) if float(row["sharp"]) > 0.5)
    assert steps == float(first["steps"])
    told = [record.getMessage() for record in caplog.records if "sharp" in record.getMessage()]
    assert len(told) == 1
    assert f"after {steps:,.0f} steps" in told[0]
