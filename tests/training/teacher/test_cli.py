"""``sluice-train teacher`` as a user drives it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from training.cage2.env import Cage2
from training.cage2.short_actions import ShortActionsTeacher
from training.cage2.teachers import make_teacher
from training.cli import app
from training.errors import TeacherError
from training.teacher import cases, certify
from training.teacher.impartial import Impartial
from training.teacher.llama import LlamaTeacher
from training.teacher.qualification import Certificate, place_of
from training.teacher.qualify import Result as Marks

pytest.importorskip("llama_cpp", reason="needs llama.cpp: pip install 'sluicegate[teacher]'")
from tests.training import tiny_gguf

ROOT = Path(__file__).parents[3]
SHIPPED = cases.read_cases()
TOLD = {
    *("cases", "top1", "top3", "kl", "calibration", "flips", "flip_rate", "permutation_tv"),
    *("order_tv", "size_tv", "without_passages_top1", "latency_ms", "sha256", "parameters"),
    *("bytes", "commit", "machine", "failed"),
}
TIMES = {name: {"p50": 1.5, "p99": 2.5} for name in ("cold", "prefix", "state")}
MARKS = Marks(252, 1.0, 1.0, 0.25, 0.125, 100, 0.99, 0.0, 0.0, 0.0, 0.5, TIMES)


def ignorant(path: Path) -> Path:
    """A model of random weights, whose context takes the largest network."""
    vocabulary = tiny_gguf.byte_level(3000)
    return tiny_gguf.write(path, vocabulary, layers=1, width=8, context=2048)


def qualify(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["teacher", "qualify", *arguments])


def guides(model: Path, *, unqualified: bool = False) -> None:
    """Ask a model about the starts of two games."""
    teacher = make_teacher(str(model), "official", unqualified=unqualified)
    assert isinstance(teacher, ShortActionsTeacher)
    assert isinstance(teacher.teacher, Impartial)
    assert isinstance(teacher.teacher.teacher, LlamaTeacher)
    games = Cage2(2, torch.Generator().manual_seed(1))
    with teacher.teacher.teacher:
        table = teacher.distribution([games.describe(0), games.describe(1)])
    assert table.shape == (2, games.num_actions)
    torch.testing.assert_close(table.sum(1), torch.ones(2))
    assert (table >= 0).all()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """An examination of a few cases of both playgrounds."""
    monkeypatch.setattr(cases, "read_cases", lambda: SHIPPED[::36])


@pytest.mark.slow
def test_a_model_that_knows_nothing_is_examined_and_refused(tmp_path: Path) -> None:
    model = ignorant(tmp_path / "m.gguf")
    done = qualify(str(model), "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert {*found} == TOLD
    assert (found["cases"], found["flips"]) == (len(SHIPPED), 100)
    assert found["bytes"] == model.stat().st_size
    assert found["sha256"] == sha256(model.read_bytes()).hexdigest()
    block, tokens = 2 * 8 + 4 * 8 * 8 + 3 * 8 * 16, 2 * 3000 * 8
    assert found["parameters"] == block + tokens + 8
    assert found["failed"]

    assert Certificate.model_validate_json(place_of(model).read_text()).as_json() == (
        done.stdout.strip()
    )
    with pytest.raises(TeacherError, match=r"m\.gguf: failed its examination as a teacher \(top1"):
        make_teacher(str(model), "official")


def test_an_unqualified_model_may_guide_who_asks_for_it(tmp_path: Path) -> None:
    model = ignorant(tmp_path / "m.gguf")
    with pytest.raises(TeacherError, match=r"never examined .* `sluice-train teacher qualify"):
        make_teacher(str(model), "official")
    guides(model, unqualified=True)


@pytest.mark.usefixtures("few")
def test_without_writing_no_certificate_is_left(tmp_path: Path) -> None:
    model = ignorant(tmp_path / "m.gguf")
    done = qualify(str(model), "--no-write")
    assert done.exit_code == 1
    assert [*tmp_path.iterdir()] == [model]
    assert done.stdout.startswith(f"{model}: 48,664 weights, 0.3 MB, asked about 7 states\n")
    assert "\nmay not guide: top1 " in done.stdout


@pytest.mark.usefixtures("few")
def test_even_a_model_that_knows_nothing_is_examined_impartially(tmp_path: Path) -> None:
    model = ignorant(tmp_path / "m.gguf")
    found = json.loads(qualify(str(model), "--no-write", "--json").stdout)
    assert found["permutation_tv"] == pytest.approx(0, abs=1e-6)
    assert found["order_tv"] == pytest.approx(0, abs=1e-6)


@pytest.mark.usefixtures("few")
def test_the_seed_is_the_examinations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def examine(*_: object, seed: int, **__: object) -> Marks:
        seeds.append(seed)
        return MARKS

    monkeypatch.setattr(certify, "examine", examine)
    qualify(str(ignorant(tmp_path / "m.gguf")), "--seed", "7", "--no-write")
    assert seeds == [7]


def test_one_that_passes_may_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ignorant(tmp_path / "m.gguf")
    digest, size = sha256(model.read_bytes()).hexdigest(), model.stat().st_size
    passed = Certificate(
        sha256=digest, parameters=7, bytes=size, commit="c", machine="m", result=MARKS
    )
    monkeypatch.setattr(certify, "certify", lambda *_, **__: passed)
    done = qualify(str(model))
    assert done.exit_code == 0
    assert re.search(r"\nfollows a changed passage +99\.0% of 100 *\n", done.stdout)
    assert re.search(r"\nms an answer, cold +1\.500, 99 % in 2\.500 *\n", done.stdout)
    assert done.stdout.endswith("\n\nmay guide\n")
    guides(model)


def test_what_is_no_model_is_one_line(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"GIF89a")
    done = subprocess.run(
        [sys.executable, "-m", "training.cli", "teacher", "qualify", str(model)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {model}: is not a GGUF file; convert the model to one, or name another\n"
    )
    assert [*tmp_path.iterdir()] == [model]
