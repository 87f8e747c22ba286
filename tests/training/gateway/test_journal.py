"""Exports of a journal: what is read, what is refused and where, what is held out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.observation import FEATURES
from tests.training.gateway.journals import HEADER, row, written
from training.errors import JournalError
from training.gateway.journal import Journal

F = len(FEATURES)


def journal(malicious: list[bool]) -> Journal:
    """Two points of each flow."""
    flow = np.repeat(np.arange(len(malicious), dtype=np.int32), 2)
    return Journal(
        path=Path("export.jsonl"),
        sha256="",
        policy="",
        rows=len(flow),
        observations=np.zeros((len(flow), F), np.float32),
        verdict=np.zeros(len(flow), np.int8),
        flow=flow,
        malicious=np.array(malicious),
    )


def test_what_is_judged_is_read(tmp_path: Path) -> None:
    rows = [
        row(flow="a", observation=[k / 10 for k in range(F)]),
        row(flow="b", policy="allow", analyst="legitimate", family=None),
        row(flow="c", analyst=None),
        {name: value for name, value in row(flow="c").items() if name != "analyst"},
        row(flow="b", policy="isolate", analyst="legitimate", mode="shadow"),
        row(flow="d", policy="allow", logits=[1, 0, 0, 0]),
        row(flow="a", policy="throttle"),
    ]
    path = written(tmp_path / "export.jsonl", rows)
    read = Journal.load(path)
    assert read.rows == 7
    assert read.flow.tolist() == [0, 1, 1, 2, 0]
    assert read.malicious.tolist() == [True, False, True]
    assert read.verdict.tolist() == [2, 0, 3, 0, 1]
    assert read.confirmed.tolist() == [True, True, False, False, True]
    np.testing.assert_array_equal(read.observations[0], np.arange(F, dtype=np.float32) / 10)
    assert read.policy == HEADER["policy"]
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_empty_lines_and_a_missing_last_newline_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join([json.dumps(HEADER), "", json.dumps(row()), " ", json.dumps(row())]))
    assert Journal.load(path).rows == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observation": [0.5] * (F - 1)}, f"observation: .* at least {F} items .* not {F - 1}"),
        ({"observation": [0.5] * (F + 1)}, f"observation: .* at most {F} items"),
        ({"logits": [0.0] * 3}, "logits: .* at least 4 items"),
        ({"observation": [float("nan")] * F}, r"observation\.0: .*finite number"),
        ({"logits": [0.0, float("inf"), 0.0, 0.0]}, r"logits\.1: "),
        ({"observation": [1e39] + [0.0] * (F - 1)}, r"observation\.0: .*less than"),
        ({"time": float("nan")}, "time: .*finite number"),
        ({"policy": "drop"}, "policy: Input should be 'allow', 'throttle', 'block' or 'isolate'"),
        ({"applied": "BLOCK"}, "applied: Input should be 'allow'"),
        ({"analyst": "unsure"}, "analyst: Input should be 'malicious' or 'legitimate'"),
        ({"flow": ""}, "flow: "),
        ({"flow": 7}, "flow: Input should be a valid string"),
        ({"observation": ["0.5"] * F}, r"observation\.0: Input should be a valid number"),
        ({"analyst": "legitimate"}, "flow '1' is legitimate here, but not in a row before"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = written(tmp_path / "export.jsonl", [row(), row(**changes)])
    with pytest.raises(JournalError, match=f"^{path}, line 3: {message}"):
        Journal.load(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"time": 1700000000.25, "flo', "no JSON object"),
        ("time,flow", "no JSON object"),
        ("\udcff", "no JSON object"),
        ("[1, 2]", "Input should be an object"),
        ("{}", "time: Field required"),
        ("x" * (1 << 20), "is longer than 1 MiB"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = written(tmp_path / "export.jsonl", [row()])
    with path.open("a", errors="surrogateescape") as file:
        file.write(line)
    with pytest.raises(JournalError, match=f"^{path}, line 3: {message}"):
        Journal.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_hash": "0123"}, "made with observations 0123, this version has "),
        ({"version": 2}, "version: Input should be 1"),
        ({"format": "eve"}, "format: Input should be 'sluice-journal'"),
        ({"policy": "default"}, "policy: "),
    ],
)
def test_a_header_that_is_not_ours_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = written(tmp_path / "export.jsonl", [row()], HEADER | changes)
    with pytest.raises(JournalError, match=f"^{path}, line 1: {message}"):
        Journal.load(path)


def test_a_journal_without_a_judged_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    with pytest.raises(JournalError, match=r"cannot be read \(No such file"):
        Journal.load(path)
    with pytest.raises(JournalError, match=r"cannot be read \(Is a directory"):
        Journal.load(tmp_path)
    path.write_text("\n")
    with pytest.raises(JournalError, match="is empty"):
        Journal.load(path)
    with pytest.raises(JournalError, match="no analyst judged any of its 0 rows"):
        Journal.load(written(path, []))
    with pytest.raises(JournalError, match="no analyst judged any of its 2 rows"):
        Journal.load(written(path, [row(analyst=None)] * 2))


@given(st.lists(st.booleans(), min_size=8, max_size=60), st.integers(0, 99))
def test_flows_are_held_out_whole_and_of_both_sides(malicious: list[bool], seed: int) -> None:
    made = journal(malicious)
    held_out = made.held_out(0.25, seed)
    assert (held_out[::2] == held_out[1::2]).all()
    for side in (False, True):
        of_side = held_out[::2][made.malicious == side]
        assert abs(of_side.sum() - 0.25 * len(of_side)) <= 0.5
    np.testing.assert_array_equal(held_out, made.held_out(0.25, seed))


def test_another_seed_holds_out_other_flows() -> None:
    made = journal([False, True] * 30)
    assert (made.held_out(0.5, 1) != made.held_out(0.5, 2)).any()


@pytest.mark.parametrize(("flows", "share"), [(1, 0.25), (1, 0.75), (4, 0.1), (4, 0.9)])
def test_too_few_flows_to_hold_some_out(flows: int, share: float) -> None:
    with pytest.raises(JournalError, match=f"{flows} judged flows are too few to hold out"):
        journal([True] * flows).held_out(share, 1)
