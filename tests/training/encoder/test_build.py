"""A whole build of a tiny encoder, by hand and by command, and its examination."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from tests.training.encoder.tiny import state
from training.cli import app
from training.errors import RunError
from training.teacher import cases
from training.teacher.encoder.build import build
from training.teacher.encoder.teacher import EncoderTeacher
from training.teacher.lm.best import BEST
from training.teacher.lm.build import TOKENIZER
from training.teacher.lm.model import read_weights
from training.teacher.lm.recipe import Architecture, Tuning
from training.teacher.playgrounds import BRIEFS, prompt_of
from training.teacher.qualification import Certificate, place_of
from training.teacher.qualify import Result as Marks

for library in ("transformers", "optimum"):
    pytest.importorskip(library, reason="needs an exporter: pip install 'sluicegate[encoder]'")

SMALL = Architecture(vocabulary=900, width=32, layers=1, heads=2, kv_heads=2, hidden=64)
TINY = Tuning(exercises=64, held_out=16, batch=8)
CPU = torch.device("cpu")
FILES = ["encoder.onnx", "encoder-int8.onnx"]
MADE = {"parameters", "vocabulary", "held_out_kl", "agreement", "files"}
SHIPPED = cases.read_cases()
OPTIONS = [
    *("--vocabulary", "900", "--width", "32", "--layers", "1", "--heads", "2", "--kv-heads", "2"),
    *("--hidden", "64", "--exercises", "64", "--held-out", "16", "--batch", "8"),
    *("--threads", "1", "--processes", "1"),
]


def contents(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in (TOKENIZER, *FILES)]


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["teacher", *arguments])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A build's folder, and what was said of it."""
    folder = tmp_path_factory.mktemp("built") / "encoder"
    return folder, build(folder, SMALL, TINY, device=CPU)


def test_a_build_goes_through(built: tuple[Path, dict[str, Any]]) -> None:
    folder, made = built
    assert {*made} == MADE
    assert {entry.name for entry in folder.iterdir()} == {TOKENIZER, "tuned", *FILES}
    assert made["files"] == {name: (folder / name).stat().st_size for name in FILES}
    architecture, weights = read_weights(folder / "tuned" / BEST)
    assert architecture.vocabulary == made["vocabulary"] == 900
    assert made["parameters"] == sum(weight.numel() for weight in weights.values())
    kept = json.loads((folder / "tuned" / "best.json").read_text())
    assert {name: made[name] for name in ("held_out_kl", "agreement")}.items() <= kept.items()
    asked = state("host1 vital accessed", "host2 cheap")
    for name in FILES:
        teacher = EncoderTeacher(folder / name, prompt_of(BRIEFS["cage2"]))
        assert teacher.parameters == made["parameters"]
        assert teacher.distribution([asked]).sum().item() == pytest.approx(1, abs=1e-5)


def test_a_build_that_has_ended_is_not_trained_again(
    built: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made = built
    before = contents(folder)

    def update(_: object) -> None:
        raise AssertionError("trains again")

    monkeypatch.setattr("training.teacher.lm.learn.LanguageLearner.update", update)
    assert build(folder, SMALL, TINY, device=CPU) == made
    assert contents(folder) == before


def test_a_build_that_was_cut_off_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.teacher.lm.best._EVALUATE", 4)

    def cut(row: dict[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "cut", SMALL, TINY, device=CPU, show=cut)
    assert (tmp_path / "cut" / "tuned" / "resume.pt").exists()
    rest: list[float] = []
    again = build(
        tmp_path / "cut", SMALL, TINY, device=CPU, show=lambda row: rest.append(row["steps"])
    )
    assert rest == [8]
    assert again == build(tmp_path / "whole", SMALL, TINY, device=CPU)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


@pytest.mark.parametrize("changes", [{"learning_rate": 1e-2}, {"seed": 2}, {"epochs": 2.0}])
def test_another_recipe_is_refused(
    built: tuple[Path, dict[str, Any]], changes: dict[str, Any]
) -> None:
    before = contents(built[0])
    with pytest.raises(RunError, match="a run with other settings is there"):
        build(built[0], SMALL, TINY.model_copy(update=changes), device=CPU)
    assert contents(built[0]) == before


def test_another_architecture_is_refused(built: tuple[Path, dict[str, Any]]) -> None:
    with pytest.raises(RunError):
        build(built[0], SMALL.model_copy(update={"layers": 2}), TINY, device=CPU)


def test_the_command_makes_the_same(built: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    done = command("train-encoder", str(tmp_path), "--json", *OPTIONS)
    assert (done.exit_code, done.exception) == (0, None)
    assert json.loads(done.stdout) == built[1]
    assert contents(tmp_path) == contents(built[0])


def test_the_command_says_what_it_made(built: tuple[Path, dict[str, Any]]) -> None:
    folder, made = built
    done = command("train-encoder", str(folder), *OPTIONS)
    assert done.exit_code == 0
    told = f"{folder}: {made['parameters']:,} weights, agrees {made['agreement']:.1%}\n"
    assert done.stdout == told


@pytest.mark.parametrize("name", FILES)
def test_an_encoder_that_knows_nothing_is_examined_and_refused(
    built: tuple[Path, dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "read_cases", lambda: SHIPPED[::36])
    file = built[0] / name
    done = command("qualify", str(file), "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    marks = {field.name for field in fields(Marks)}
    assert {*found} == marks | {"failed", *Certificate.model_fields} - {"result"}
    assert found["cases"] == len(SHIPPED[::36])
    assert found["failed"]
    assert found["parameters"] == built[1]["parameters"]
    assert found["bytes"] == built[1]["files"][name]
    assert Certificate.model_validate_json(place_of(file).read_text()).failed == found["failed"]
    place_of(file).unlink()
