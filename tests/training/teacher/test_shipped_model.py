"""The models that come with the product: their files, their certificates, and that they read."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import torch

from training.cage2.env import Cage2
from training.cage2.teachers import make_teacher
from training.provenance import sha256
from training.teacher.cases import Case, read_cases
from training.teacher.impartial import Impartial
from training.teacher.models import SHIPPED, open_model
from training.teacher.playgrounds import WORTH
from training.teacher.qualification import Certificate, place_of, require
from training.teacher.qualify import Asking, Room

MOST_BYTES = 12_000_000

names = pytest.mark.parametrize("name", SHIPPED)


@pytest.fixture
def needs_its_runtime(name: str) -> None:
    if name == "lm":
        reason = "needs llama.cpp: pip install 'sluicegate[teacher]'"
        pytest.importorskip("llama_cpp", reason=reason)
    pytest.importorskip("tokenizers", reason="needs tokenizers: pip install 'sluicegate[lm]'")


@names
def test_it_is_small_and_passed_its_examination(name: str) -> None:
    model = SHIPPED[name]
    require(model)
    certificate = Certificate.model_validate_json(place_of(model).read_text())
    assert certificate.sha256 == sha256(model)
    assert model.stat().st_size == certificate.bytes <= MOST_BYTES
    assert certificate.result.cases == len(read_cases())
    assert not certificate.failed


def reads(model: Path, cases: list[Case]) -> float:
    """The share of cases in which a best action is the likeliest."""
    asking = Asking()
    with closing(open_model(model, asking)) as teacher:
        rows = Room(Impartial(teacher, WORTH), asking, lambda: None).ask(cases)
    hits = [
        case.actions[int(row.argmax())] in case.best for case, row in zip(cases, rows, strict=True)
    ]
    return sum(hits) / len(hits)


@names
@pytest.mark.usefixtures("needs_its_runtime")
def test_it_reads_as_its_certificate_says(name: str) -> None:
    found = reads(SHIPPED[name], read_cases()[::6])
    certified = Certificate.model_validate_json(place_of(SHIPPED[name]).read_text()).result.top1
    assert abs(found - certified) < 0.08  # of 42 cases, three


@names
@pytest.mark.usefixtures("needs_its_runtime")
def test_it_guides_by_its_name(name: str) -> None:
    games = Cage2(1, torch.Generator().manual_seed(1))
    advice = make_teacher(name, "official").distribution([games.describe(0)])
    assert advice.shape == (1, games.num_actions)
    torch.testing.assert_close(advice.sum(1), torch.ones(1))
