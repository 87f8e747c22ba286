"""A comparison that sees no difference would be worth nothing: each kind is put in and found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.flows.records import POINT
from tests.aarch64.compare import compare, paths_apart, total
from tests.aarch64.decide import COLUMNS, decisions

REPORT = {"packets": 4, "seconds": 0.5, "verdicts": {"block": 1}, "policy": {"path": "/a"}}


def side(n: int = 4) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(7)
    points = np.zeros(n, POINT)
    points["serial"] = np.arange(1, n + 1)
    return {
        "points": points,
        "observations": rng.random((n, 64), dtype=np.float32),
        "logits": rng.random((n, 4), dtype=np.float32),
        "proposed": np.array([0, 2, 0, 1] * n, np.uint8)[:n],
        "applied": np.array([0, 1, 0, 1] * n, np.uint8)[:n],
        "reasons": np.array([0, 5, 0, 0] * n, np.uint8)[:n],
        "rules": np.array([[3, 4, 0, 9, 0, 0, 1, 10, 20]], np.uint64),
    }


def test_two_equal_sides_are_the_same_wherever_and_however_fast_they_ran() -> None:
    elsewhere = REPORT | {"seconds": 9.0, "policy": {"path": "/b"}}
    found = compare(side(), side(), REPORT, elsewhere)
    assert found.same
    assert found.decision_points == 4
    assert found.as_json()["same"] is True


@pytest.mark.parametrize("name", ["proposed", "applied", "reasons"])
def test_a_verdict_or_a_reason_that_differs_is_counted_once_a_point(name: str) -> None:
    other = side()
    other[name][2] = 3
    found = compare(side(), other, REPORT, REPORT)
    assert (found.verdicts, found.same) == (1, False)


@given(row=st.integers(0, 3), column=st.integers(0, 63))
def test_one_bit_of_one_observation_is_enough(row: int, column: int) -> None:
    other = side()
    other["observations"].view(np.uint32)[row, column] ^= 1
    found = compare(side(), other, REPORT, REPORT)
    assert (found.observations, found.same) == (1, False)


def test_zero_and_minus_zero_are_not_the_same_observation() -> None:
    ours, other = side(), side()
    ours["observations"][0, 0], other["observations"][0, 0] = 0.0, -0.0
    assert compare(ours, other, REPORT, REPORT).observations == 1


def test_logits_may_differ_and_by_how_much_is_told() -> None:
    other = side()
    other["logits"][1, 2] += np.float32(0.25)
    other["logits"][3, 0] -= np.float32(0.5)
    found = compare(side(), other, REPORT, REPORT)
    assert found.same
    assert found.logits == 2
    assert found.largest_logit == pytest.approx(0.5, abs=1e-6)


def test_a_missing_decision_point_counts_in_everything() -> None:
    short = {name: array[:3] if name != "rules" else array for name, array in side().items()}
    found = compare(side(), short, REPORT, REPORT)
    assert (found.points, found.verdicts, found.observations, found.logits) == (1, 1, 64, 4)
    assert not found.same


def test_another_packet_of_the_flow_is_another_point() -> None:
    other = side()
    other["points"]["packets"][1] += 1
    assert compare(side(), other, REPORT, REPORT).points == 1


def test_rules_are_compared_as_sets() -> None:
    other = side()
    other["rules"] = other["rules"] + np.uint64(1)
    assert compare(side(), other, REPORT, REPORT).rules == 2  # one that is gone, and one too many
    other["rules"] = np.zeros((0, 9), np.uint64)
    assert compare(side(), other, REPORT, REPORT).rules == 1


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"packets": 5}, "packets"),
        ({"packets": 4.0}, "packets"),
        ({"verdicts": {"block": 2}}, "verdicts.block"),
        ({"verdicts": {}}, "verdicts.block"),
        ({"benign": None}, "benign"),
    ],
)
def test_a_report_that_differs_names_the_path(change: dict[str, Any], path: str) -> None:
    assert list(paths_apart(REPORT, REPORT | change)) == [path]
    found = compare(side(), side(), REPORT, REPORT | change)
    assert found.report == (path,)
    assert not found.same


def test_a_total_adds_up_and_keeps_what_is_largest() -> None:
    other = side()
    other["applied"][:2] = 3
    other["logits"][0, 0] += np.float32(1)
    bad = compare(side(), other, REPORT, REPORT | {"packets": 5, "verdicts": {}})
    good = compare(side(), side(), REPORT, REPORT)
    both = total([good, bad, good])
    assert (both.decision_points, both.verdicts, both.logits) == (12, 2, 1)
    assert both.largest_logit == bad.largest_logit > 0.9
    assert both.report == ("packets", "verdicts.block")
    assert not both.same
    assert total([good, good]).same


def test_what_a_side_writes_of_a_sample_is_what_the_other_side_is_compared_with(
    samples: Path,
) -> None:
    ours = decisions(samples / "scan.pcap", "onnxruntime")
    assert {*ours} == {*COLUMNS, "rules"}
    assert len(ours["points"]) > 0
    assert len(ours["rules"]) > 0
    assert compare(ours, decisions(samples / "scan.pcap", "onnxruntime"), {}, {}).same
    changed = ours | {"applied": np.where(ours["applied"] > 0, 0, ours["applied"])}
    assert compare(ours, changed, {}, {}).verdicts > 0
