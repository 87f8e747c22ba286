"""How far two models' advice is apart, through the files and the command."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from typer.testing import CliRunner

from tests.training.encoder.tiny import Exported
from training.cli import app
from training.teacher.cases import read_cases
from training.teacher.compare import compare

CASES = read_cases()[::21]


def test_a_model_is_no_way_from_itself(exported: Exported) -> None:
    found = compare(exported.whole, exported.whole, CASES)
    assert (found.cases, found.kl, found.tv, found.agreement) == (len(CASES), 0, 0, 1)


def test_a_quantised_model_is_a_little_way_from_the_whole_one(exported: Exported) -> None:
    asked: list[None] = []
    found = compare(exported.int8, exported.whole, CASES, advance=lambda: asked.append(None))
    assert len(asked) == 2 * len(CASES)
    assert 0 < found.kl < found.kl_p99 < 0.05
    assert 0 < found.tv < 0.05
    # Pinsker's inequality holds for each state, and so for the means.
    assert found.tv <= (found.kl / 2) ** 0.5


def test_the_command_tells_it(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.teacher.cases.read_cases", lambda: CASES)
    files = [str(exported.int8), str(exported.whole)]
    told = CliRunner().invoke(app, ["teacher", "compare", *files])
    assert told.exit_code == 0
    assert f"{len(CASES)} states" in told.stdout
    found = json.loads(CliRunner().invoke(app, ["teacher", "compare", *files, "--json"]).stdout)
    assert found == asdict(compare(exported.int8, exported.whole, CASES))
