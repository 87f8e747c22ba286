"""Studies through the command line, in real processes; and their measures by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from training import study_pool
from training.cage2.checkpoint import build
from training.cage2.cli import app
from training.cage2.settings import Blueprint, Plan
from training.cage2.studies import STUDIES, TRAINED, guided, plan
from training.cage2.study import Study, digest, run_study
from training.cage2.study_measures import (
    Measures,
    between,
    compare,
    first_above,
    handover,
    measure,
    sharp_at,
    sharpest,
    so_far,
    spread,
    target,
)
from training.cage2.study_run import score
from training.checkpoint import save
from training.errors import PolicyError, StudyError
from training.report import Columns
from training.settings import Settings
from training.study_page import put

ROOT = Path(__file__).parents[3]
SHIPPED = dict(STUDIES)


def tiny(hidden: int, scenario: str = "official", episodes: int = 16) -> Plan:
    return Plan(
        network=Blueprint(hidden=[hidden], scenario=scenario),
        ppo=Settings(num_envs=4, rollout=5, steps=5 * episodes, minibatches=1, epochs=1),
        horizon=5,
    )


TINY = Study(
    "tiny",
    "Does a wider network learn faster?",
    {"narrow": tiny(4), "wide": tiny(8), "the same": tiny(4)},
    {"wide": "narrow"},
)


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STUDIES, "tiny", TINY)
        yield patch


def study(folder: Path, *options: str) -> dict[str, Any]:
    places = ["--folder", str(folder / "runs"), "--results", str(folder / "results.md")]
    places += ["--figures", str(folder / "figures")]
    done = CliRunner().invoke(app, ["study", "tiny", "--seeds", "2", "--json", *places, *options])
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch
) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("study")
    (folder / "results.md").write_text("# Results\n\nBy hand.\n")
    return folder, study(folder)


def test_a_study_prints_what_it_measured(made: tuple[Path, dict[str, Any]]) -> None:
    result = made[1]
    assert result["seeds"] == [1, 2]
    assert list(result["arms"]) == ["narrow", "wide", "the same"]
    wide = result["arms"]["wide"]
    early = [run["early"] for run in wide["runs"]]
    assert len(early) == 2
    assert wide["mean"]["early"]["mean"] == pytest.approx(sum(early) / 2)
    narrow = [run["early"] for run in result["arms"]["narrow"]["runs"]]
    ratios = [a / b for a, b in zip(narrow, early, strict=True)]
    assert wide["compared"]["ratio"]["mean"] == pytest.approx(sum(ratios) / 2)
    assert wide["runs"][0]["spread"] is None  # nothing was handed over


def test_runs_have_their_plan_and_seed(made: tuple[Path, dict[str, Any]]) -> None:
    folders = [Path(folder) for folder in made[1]["arms"]["wide"]["folders"]]
    for seed, folder in enumerate(folders, 1):
        assert folder == made[0] / "runs" / digest(tiny(8)) / f"seed-{seed}"
        asked = json.loads((folder / "settings.json").read_text())["asked"]
        assert asked["ppo"] == tiny(8).ppo.model_dump() | {"seed": seed}
        assert (folder / "network.pt").exists()


def test_arms_of_the_same_plan_are_run_once(made: tuple[Path, dict[str, Any]]) -> None:
    arms = made[1]["arms"]
    assert arms["the same"]["folders"] == arms["narrow"]["folders"]
    assert len(list((made[0] / "runs").glob("*/seed-*/result.json"))) == 4


def test_the_page_keeps_prose_and_one_section(
    made: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be run again")

    page = made[0] / "results.md"
    page.write_text(page.read_text() + "\nA finding, by hand.\n")
    before = page.read_text()
    monkeypatch.setattr(study_pool.subprocess, "Popen", refuse)
    assert study(made[0])["arms"] == made[1]["arms"]
    assert page.read_text() == before
    assert before.startswith("# Results\n\nBy hand.\n\n<!-- study measures -->")
    assert before.count("<!-- study tiny -->") == before.count("<!-- end of study tiny -->") == 1
    for text in ("wider network", "study tiny --seeds 2`", "| wide |", "(figures/tiny.svg)"):
        assert text in before
    assert "<!-- wide -->" in (made[0] / "figures" / "tiny.svg").read_text()


def test_a_try_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patched: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tried = ["study", "tiny", "--seeds", "1", "--episodes", "4", "--folder", "runs"]
    done = CliRunner().invoke(app, tried)
    assert done.exception is None
    assert "narrow" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    rows = [len(path.read_text().splitlines()) for path in tmp_path.glob("runs/*/*/metrics.csv")]
    assert rows == [2, 2]


def test_an_interrupted_study_goes_on(tmp_path: Path) -> None:
    long = Study("long", "", {"long": tiny(4, episodes=400)})
    folder = tmp_path / digest(long.arms["long"]) / "seed-1"

    def cut(done: int, of: int) -> None:
        if (folder / "metrics.csv").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(long, tmp_path, [1], 1, cut)
    assert (folder / "resume.pt").exists()
    early = (folder / "metrics.csv").read_text()
    findings = run_study(long, tmp_path, [1], 1)
    assert (folder / "metrics.csv").read_text().startswith(early)
    assert len(findings.runs["long"][0]["episodes"]) == 100


def test_an_interruption_reaches_the_runs_and_exits_with_130(tmp_path: Path) -> None:
    options = ["--seeds", "1", "--workers", "1", "--episodes", "1000", "--folder", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "training.cli", "cage2", "study", "baseline", *options],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    while not list(tmp_path.glob("*/*/metrics.csv")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert "Traceback" not in stderr
    assert len(list(tmp_path.glob("*/*/resume.pt"))) == 1


def test_a_run_that_fails_is_named_and_others_are_kept(tmp_path: Path) -> None:
    broken = tiny(4, scenario="nowhere")
    half = Study("half", "", {"broken": broken, "whole": tiny(4)})
    with pytest.raises(StudyError, match=rf"{digest(broken)}/seed-1: no scenario 'nowhere'"):
        run_study(half, tmp_path, [1], 2)
    assert (tmp_path / digest(tiny(4)) / "seed-1" / "result.json").exists()


def test_an_unknown_study_is_named() -> None:
    done = CliRunner().invoke(app, ["study", "nothing"])
    assert isinstance(done.exception, StudyError)
    assert "baseline" in str(done.exception)


@pytest.mark.parametrize("options", [[], ["--list"]])
def test_the_list_has_every_question(options: list[str]) -> None:
    done = CliRunner().invoke(app, ["study", *options, "--json"])
    assert json.loads(done.stdout) == {each.name: each.question for each in STUDIES.values()}


def test_studies_share_their_common_arms() -> None:
    arms = {name: each.arms for name, each in SHIPPED.items()}
    assert arms["guided-100"]["unguided"] == arms["baseline"]["mixture"]
    assert arms["decay"]["decay 0.25"] == arms["guided-32"]["both"] == arms["fade"]["steps"]
    assert arms["teachers"]["playbook"] == arms["divergence"]["forward"]
    assert arms["guided-32"]["unguided"] == arms["teachers"]["unguided"]


def test_studies_are_sound() -> None:
    assert (ROOT / TRAINED).exists()
    for each in SHIPPED.values():
        assert each.against.keys() | set(each.against.values()) <= each.arms.keys()
        assert len({digest(arm) for arm in each.arms.values()}) == len(each.arms)
        for arm in each.arms.values():
            assert arm.ppo.rollout == arm.horizon
            assert arm.ppo.steps % arm.horizon == 0


def test_a_digest_is_of_everything_but_the_seed() -> None:
    base = plan()
    assert digest(base) == digest(plan(ppo={"seed": 7}))
    others = [plan(ppo={"gamma": 0.9}), guided(base), guided(base, wrong=0.1), plan(horizon=32)]
    assert len({digest(each) for each in (base, *others)}) == 5


def run(returns: list[float], each: int = 10, **more: list[float]) -> Columns:
    """A run of which each row stands for so many episodes of two steps and half a second."""
    rows = np.arange(1.0, len(returns) + 1)
    columns = {"episodes": rows * each, "steps": rows * each * 2, "seconds": rows / 2}
    return columns | {"return": np.array(returns)} | {k: np.array(v) for k, v in more.items()}


def test_early_and_final_are_shares_of_the_episodes() -> None:
    columns = run([-100.0, *[-50.0] * 18, -10.0])
    assert (between(columns, 0, 0.05), between(columns, 0.95, 1)) == (-100, -10)
    assert between(columns, 0, 0.075) == pytest.approx((-100 * 10 - 50 * 5) / 15)


def test_the_return_so_far_waits_for_a_hundred_episodes() -> None:
    means = so_far(run([-8.0, -4.0, -2.0, -1.0], each=50))
    assert np.isnan(means[0])
    assert means[1:].tolist() == [-6, -3, -1.5]
    assert so_far(run([-8.0, -4.0])).tolist()[1] == -6  # a shorter run has what it has


def test_learned_is_95_percent_of_the_baselines_way() -> None:
    baseline = run([-100.0] * 2 + [-20.0] * 38, each=50)
    assert target(baseline) == pytest.approx(-100 + 0.95 * 80)
    assert first_above(baseline, target(baseline)) == 3
    quick = run([-30.0, -20.0, -20.0], each=50)
    measured = measure(quick, baseline, handover=None, level=-21.0)
    assert (measured.learned, measured.never) == (150, False)
    assert (measured.reached, measured.reached_steps) == (1.5, 300)


def test_never_learned_counts_the_whole_run() -> None:
    slow = run([-100.0] * 4, each=50)
    measured = measure(slow, run([-100.0, -100.0, -10.0, -10.0], each=50), handover=None)
    assert (measured.learned, measured.never) == (200, True)


def test_the_hand_over_is_after_the_last_guided_row() -> None:
    mask, auxiliary = [1.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]
    assert handover(run([-1.0] * 4, mask=mask, auxiliary=auxiliary)) == 20
    assert handover(run([-1.0] * 4, mask=auxiliary, auxiliary=mask)) == 20
    assert handover(run([-1.0] * 4)) is None
    assert handover(run([-1.0] * 4, mask=[1.0] * 4)) is None


def test_the_spread_is_of_500_episodes_after_the_hand_over() -> None:
    columns = run([-999.0, -10.0, -20.0, -30.0, -999.0], each=200)
    assert spread(columns, 200.0) == pytest.approx(np.std([-10, -20], ddof=1))
    assert np.isnan(spread(columns, None))


def test_sharp_is_the_worst_of_ten_rows() -> None:
    shares = [0.0] * 10 + [1.0] * 5 + [0.0] * 285
    columns = run([-1.0] * 300, sharp=shares)
    assert sharpest(columns) == 0.5
    assert sharp_at(columns, 120.0) == pytest.approx(0.2)


def measures(early: float, learned: float, never: bool = False) -> Measures:
    nan = float("nan")
    return Measures(early, -1.0, learned, never, nan, nan, nan)


def test_arms_are_compared_seed_by_seed() -> None:
    arm = [measures(-10, 100), measures(-20, 200)]
    compared = compare(arm, [measures(-20, 300), measures(-60, 600, never=True)])
    assert compared.ratio.mean == pytest.approx(2.5)
    assert compared.ratio.half == pytest.approx(12.7062 * 0.5, rel=1e-4)
    assert compared.sooner.mean == 300
    assert compared.bound == 1


def test_sections_are_replaced_and_others_left() -> None:
    page = put(put("# Page\n", "a", "one"), "b", r"two \1")
    assert put(page, "a", "new") == page.replace("one", "new")
    assert put("", "a", "one") == "<!-- study a -->\none\n<!-- end of study a -->\n"
    assert put(page, "b", r"two \1") == page


def test_a_network_is_scored_elsewhere(tmp_path: Path) -> None:
    torch.manual_seed(1)
    for kind in ("hostwise", "flat"):
        blueprint = Blueprint(scenario="generated-5", kind=kind, hidden=[8])
        save(tmp_path / f"{kind}.pt", build(blueprint), blueprint, {})
    found = [score(tmp_path / "hostwise.pt", name) for name in ("generated-5", "official")]
    assert found[0] != found[1]
    assert max(found) < 0
    with pytest.raises(PolicyError):
        score(tmp_path / "flat.pt", "official")
