"""Means over seeds, curves, tables and figures, by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from training.errors import StudyError
from training.report import (
    Arm,
    Columns,
    averages,
    interval,
    plot_arms,
    plot_run,
    read_metrics,
    running_mean,
    t_quantile,
    table,
)


def run(returns: list[float], each: int = 10) -> Columns:
    """A run of which each row stands for so many episodes."""
    episodes = np.arange(1, len(returns) + 1) * float(each)
    return {"episodes": episodes, "return": np.array(returns)}


@pytest.mark.parametrize(
    ("freedom", "quantile"),  # of published tables
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (30, 2.0423)],
)
def test_quantiles_of_t(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, abs=5e-5)


def test_an_interval_by_hand() -> None:
    found = interval([1.0, 2.0, 6.0, math.nan])
    assert (found.mean, found.count) == (3.0, 3)
    assert found.half == pytest.approx(4.302653 * math.sqrt(7) / math.sqrt(3))
    assert found.text(1) == "3.0 ± 6.6"


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    assert interval([-1234.5]).text() == "−1,234.50"
    assert interval([math.nan]).text() == "–"


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    samples = np.random.default_rng(1).normal(5, 2, (4000, 4))
    found = [interval(sample) for sample in samples]
    held = np.mean([abs(each.mean - 5) <= each.half for each in found])
    assert held == pytest.approx(0.95, abs=0.015)


def test_curves_are_averages_weighted_by_episodes() -> None:
    columns = {"episodes": np.array([10.0, 40.0]), "return": np.array([-100.0, -20.0])}
    assert averages(columns, "return", np.array([0.0, 20.0, 40.0])).tolist() == [-60, -20]
    assert averages(columns, "return", np.array([0.0, 40.0])).tolist() == [-40]


def test_rows_of_other_lengths_come_to_the_same_axis() -> None:
    edges = np.array([0.0, 20.0, 40.0])
    fine, coarse = run([-8.0, -6.0, -4.0, -2.0]), run([-7.0, -3.0], each=20)
    assert averages(fine, "return", edges).tolist() == averages(coarse, "return", edges).tolist()


def test_beyond_a_run_and_without_a_return_nothing_is_known() -> None:
    columns = run([math.nan, -4.0, math.nan])
    assert averages(columns, "return", np.array([0.0, 20.0])).tolist() == [-4]
    assert np.isnan(averages(columns, "return", np.array([20.0, 30.0]))).all()


def test_a_running_mean_begins_with_what_there_is() -> None:
    assert running_mean(np.array([2.0, 4.0, 6.0, 8.0]), 3).tolist() == [2, 3, 4, 6]


def test_metrics_are_read_as_numbers(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("steps,return,mask\n8,-2.5,\n16,nan,0.5\n")
    columns = read_metrics(tmp_path)
    assert columns["steps"].tolist() == [8, 16]
    assert np.isnan(columns["mask"]).tolist() == [True, False]
    assert np.isnan(columns["return"]).tolist() == [False, True]


@pytest.mark.parametrize("content", [None, "", "steps,return\n8,much\n", "steps,return\n8\n"])
def test_what_is_no_metrics_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(StudyError, match=r"metrics\.csv: no metrics of a run"):
        read_metrics(tmp_path)


def test_a_table_is_markdown() -> None:
    lines = table(["arm", "return"], [["a", "−1"], ["b", "−2"]]).split("\n")
    assert lines == ["| arm | return |", "| --- | ---: |", "| a | −1 |", "| b | −2 |"]


def arms() -> list[Arm]:
    plain = [run(list(-1000 * 0.9 ** np.arange(40) - seed)) for seed in range(3)]
    guided = [run(list(-300 * 0.9 ** np.arange(40) - seed)) for seed in range(3)]
    return [Arm("alone", plain), Arm("taught & told", guided, "alone")]


def test_a_figure_shows_every_arm_and_is_the_same_every_time(tmp_path: Path) -> None:
    one, other = tmp_path / "new" / "one.svg", tmp_path / "other.svg"
    plot_arms(one, "a title", arms())
    plot_arms(other, "a title", arms())
    assert one.read_bytes() == other.read_bytes()
    shown = one.read_text()
    assert all(f"<!-- {text} -->" in shown for text in ("alone", "taught &amp; told", "a title"))
    assert "−200" in shown  # the logarithmic axis
    assert "dc:date" not in shown


def test_a_figure_of_one_seed_is_a_line(tmp_path: Path) -> None:
    plot_arms(tmp_path / "one.svg", "one", [Arm("alone", [run([-3.0, -2.0])])])
    assert "<!-- alone -->" in (tmp_path / "one.svg").read_text()


def test_a_run_is_drawn_with_what_it_measured(tmp_path: Path) -> None:
    rows = [f"{8 * k},{-300 / k},{2 / k},{1 / k},," for k in range(1, 120)]
    head = "steps,return,entropy,mask,auxiliary,agreement"
    (tmp_path / "metrics.csv").write_text("\n".join([head, *rows]) + "\n")
    plot_run(tmp_path)
    shown = (tmp_path / "curve.svg").read_text()
    assert all(f"<!-- {name} -->" in shown for name in ("return", "entropy", "mask"))
    assert "agreement" not in shown


def test_a_run_that_reads_is_drawn_by_its_updates(tmp_path: Path) -> None:
    rows = [f"{200 * k},{9e4 * k},{-1 / k},{1 / k},{2 / k},{k / 9}" for k in range(1, 9)]
    head = "steps,tokens,return,kl,held_out_kl,agreement"
    (tmp_path / "metrics.csv").write_text("\n".join([head, *rows]) + "\n")
    plot_run(tmp_path)
    shown = (tmp_path / "curve.svg").read_text()
    assert all(f"<!-- {name} -->" in shown for name in ("kl", "held_out_kl", "updates"))
    assert "environment steps" not in shown


def test_a_run_without_an_episode_is_drawn_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("steps,return,entropy\n8,nan,2.0\n")
    plot_run(tmp_path)
    assert "<!-- entropy -->" in (tmp_path / "curve.svg").read_text()
