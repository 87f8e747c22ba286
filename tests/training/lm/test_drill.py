"""Exercises by the hundred thousand, here a few: which ones there are, and who makes them."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.training.lm.small import fluent, same
from training.errors import TeacherError
from training.teacher.lm import drill as module
from training.teacher.lm.drill import Drill, drill, pool
from training.teacher.lm.exercises import draw_by_heart
from training.teacher.lm.reading import Reader
from training.teacher.lm.recipe import Tuning
from training.teacher.lm.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drill") / "tokenizer.json"
    fluent().save(path)
    return path


def drilled(file: Path, seed: int) -> Drill:
    tuning = Tuning(seed=seed, exercises=60, held_out=9, batch=4)
    return drill(file, tuning, partial(Reader, along=2), Reader, device=torch.device("cpu"))


@pytest.mark.parametrize("make", [partial(Reader, along=2), partial(Reader, draw=draw_by_heart)])
def test_however_many_processes_make_the_same_exercises(
    file: Path, make: module.Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Parts are cut here and only made elsewhere, so that it need not reach other processes.
    monkeypatch.setattr(module, "_PART", 20)
    alone, together = (pool(file, make, 1, 50, processes) for processes in (1, 2))
    assert len(alone) == 50
    assert same(alone, together)


def test_parts_are_not_alike(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART", 20)
    lengths = pool(file, Reader, 1, 40).lengths
    assert not torch.equal(lengths[:20], lengths[20:])


def test_another_seed_makes_others(file: Path) -> None:
    assert same(pool(file, Reader, 1, 30), pool(file, Reader, 1, 30))
    assert not same(pool(file, Reader, 1, 30), pool(file, Reader, 2, 30))


@pytest.fixture
def few_files() -> Iterator[None]:
    """Room for some fifty more open files; 1024 in all are usual, and a part a few thousand."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 50, usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)


@pytest.mark.usefixtures("few_files")
def test_many_parts_need_no_more_files(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART", 1)
    assert len(pool(file, Reader, 1, 40, processes=2)) == 40


def test_batches_depend_on_the_generator_alone(file: Path) -> None:
    one, other = drilled(file, 1), drilled(file, 1)
    batches = [
        drill.batch(torch.Generator().manual_seed(seed))
        for drill, seed in ((one, 1), (one, 1), (other, 1), (one, 2))
    ]
    assert same(batches[0], batches[1])
    assert same(batches[0], batches[2])
    assert not same(batches[0], batches[3])
    assert len(batches[0].tokens) == 4


def test_what_is_held_out_is_the_same_for_every_seed(file: Path) -> None:
    one, other = drilled(file, 1), drilled(file, 2)
    assert all(map(same, one.held_out(), other.held_out()))
    assert sum(len(batch.tokens) for batch in one.held_out()) == 9
    learned = [drill.batch(torch.Generator().manual_seed(1)) for drill in (one, other)]
    assert not same(*learned)


def test_what_is_held_out_comes_within_the_budget(file: Path) -> None:
    held_out = pool(file, Reader, 1, 30)
    batches = Drill(held_out, held_out, 4, budget=2000).held_out()
    assert len(batches) > 1
    assert all(batch.tokens.numel() <= 2000 for batch in batches)


def test_a_tokeniser_that_cuts_a_label_is_refused(tmp_path: Path) -> None:
    Tokenizer.train(["nothing of this kind"], 300).save(tmp_path / "tokenizer.json")
    with pytest.raises(TeacherError, match="the tokeniser cuts"):
        pool(tmp_path / "tokenizer.json", Reader, 1, 3)
