"""The tables of a study, computed by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from training.gateway.settings import Plan
from training.gateway.study import Findings
from training.gateway.study_measures import differences, over_seeds
from training.gateway.study_page import as_json, section

T_1 = 12.7062  # Student's t of 95 % with one degree of freedom


def outcome(stopped: float, packets: float | None = 2.0, passed: float = 0.25) -> dict[str, Any]:
    return {
        "flows": 1200, "stopped": stopped, "throttled": 0.5, "packets": packets,
        "bytes_passed": passed,
    }  # fmt: skip


def run(reward: float, scan: float, c2: float, benign: float) -> dict[str, Any]:
    return {
        "of": {}, "captures": 60, "reward": reward, "share": reward / 1000,
        "malicious": {"scan": outcome(scan), "c2": outcome(c2, None)},
        "benign": {"web": outcome(benign)},
        "all_malicious": outcome((scan + c2) / 2), "all_benign": outcome(benign),
    }  # fmt: skip


def findings() -> Findings:
    plan = Plan(corpora=(Path("lab.toml"),), folders=(Path("lab"),), without=("exploit",))
    unguided = plan.model_copy(update={"teacher": None})
    results = [{"commit": "abc", "machine": "a box"}, {"commit": "def", "machine": "a box"}]
    runs = {
        "guided": [run(500, 0.8, 0, 0.01), run(700, 0.9, 0.2, 0.03)],
        "unguided": [run(100, 0.5, 0, 0.02), run(500, 0.7, 0, 0.08)],
        "without-scan": [run(50, 0.1, 0, 0.01), run(90, 0.5, 0, 0.01)],
    }
    return Findings(
        arms={
            "guided": plan,
            "unguided": unguided,
            "without-scan": unguided.model_copy(update={"without": ("exploit", "scan")}),
        },
        seeds=(1, 2),
        held_out=("town",),
        measures={"town": runs},
        results=dict.fromkeys(runs, results),
    )


def test_numbers_are_means_over_seeds_wherever_they_stand() -> None:
    mean = over_seeds([{"a": 1.0, "b": {"c": 2, "d": None}}, {"a": 3.0, "b": {"c": 2, "d": 5.0}}])
    assert mean["a"].mean == 2
    assert mean["a"].half == pytest.approx(T_1, rel=1e-4)
    assert (mean["b"]["c"].mean, mean["b"]["c"].half) == (2, 0)
    assert (mean["b"]["d"].mean, mean["b"]["d"].count) == (5, 1)


def test_differences_are_of_the_same_seed() -> None:
    more = differences([{"a": 5.0}, {"a": None}, {"a": 9.0}], [{"a": 1.0}, {"a": 1.0}, {"a": 3.0}])
    assert more["a"].mean == 5  # of 4 and 6
    assert more["a"].half == pytest.approx(T_1, rel=1e-4)
    assert more["a"].count == 2


def test_the_section_says_where_it_comes_from_and_has_every_table() -> None:
    page = section(findings(), "sluice-train gateway study lab")
    assert page.startswith("## Gateway study\n")
    assert "`sluice-train gateway study lab`, seeds 1, 2, commit abc and def, a box." in page
    assert "### town, 60 captures" in page
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("|") and not line.startswith("| ---")
    ]
    # 500 and 700; 0.4 and 0.55; 0.01 and 0.03
    assert rows[1] == [
        *("guided", "600 ± 1,271", "60.0 ± 127.1", "47.5 ± 95.3", "50.0 ± 0.0", "2.0 ± 0.0"),
        *("25.0 ± 0.0", "2.00 ± 12.71", "50.00 ± 0.00"),
    ]
    # 400 and 200; 0.15 and 0.2; −0.01 and −0.05
    assert rows[3] == [
        *("guided − unguided", "300 ± 1,271", "30.0 ± 127.1", "17.5 ± 31.8", "0.0 ± 0.0"),
        *("0.0 ± 0.0", "0.0 ± 0.0", "−3.00 ± 25.41", "0.00 ± 0.00"),
    ]
    assert rows[5][:4] == ["scan", "1,200", "guided", "85.0 ± 63.5"]
    assert rows[7][:2] == ["c2", "1,200"]
    assert rows[7][5] == "–"  # nothing was stopped
    # unseen: 0.1 and 0.5, against 0.5 and 0.7
    assert rows[-1] == [
        *("scan", "1,200", "60.0 ± 127.1", "30.0 ± 254.1", "−30.0 ± 127.1", "50.0 ± 0.0"),
        *("2.0 ± 0.0", "25.0 ± 0.0", "1.00 ± 0.00", "50.00 ± 0.00"),
    ]


def test_arms_that_were_not_run_leave_no_trace() -> None:
    every = findings()
    alone = Findings(
        {"without-scan": every.arms["without-scan"]}, every.seeds, every.held_out,
        {"town": {"without-scan": every.measures["town"]["without-scan"]}},
        {"without-scan": every.results["without-scan"]},
    )  # fmt: skip
    page = section(alone, "a study")
    assert "| family |" not in page
    assert page.splitlines()[-1].startswith("| scan | 1,200 | – | 30.0 ± 254.1 | – |")


def test_any_arm_is_compared_with_the_unguided_one() -> None:
    """Also where none is guided, and where all leave a family out."""
    every = findings()
    arms = {"unguided": every.arms["unguided"], "alone": every.arms["unguided"]}
    runs = every.measures["town"]
    page = section(
        Findings(
            arms, every.seeds, every.held_out,
            {"town": {"unguided": runs["unguided"], "alone": runs["guided"]}},
            {"unguided": every.results["unguided"], "alone": every.results["guided"]},
        ),
        "a study",
    )  # fmt: skip
    assert "| alone − unguided | 300 ± 1,271 | 30.0 ± 127.1 |" in page
    assert "unseen family" not in page


def test_json_has_everything_and_null_for_what_was_not_measured() -> None:
    found = as_json(findings(), "a study")
    assert (found["commits"], found["machines"]) == (["abc", "def"], ["a box"])
    guided = found["held_out"]["town"]["guided"]
    assert guided["mean"]["malicious"]["c2"]["packets"] == {"mean": None, "half": None, "count": 0}
    assert guided["difference"]["reward"]["mean"] == 300
    assert math.isclose(guided["difference"]["share"]["half"], T_1 * 0.1, rel_tol=1e-4)
    assert guided["runs"][0]["malicious"]["c2"]["packets"] is None
    assert found["held_out"]["town"]["unguided"]["difference"] is None
