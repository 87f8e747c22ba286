"""The language model that comes with the product: its file, its certificate, and that it reads."""

from __future__ import annotations

from contextlib import closing

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


@pytest.fixture
def needs_llama() -> None:
    pytest.importorskip("llama_cpp", reason="needs llama.cpp: pip install 'sluicegate[teacher]'")


def test_it_is_small_and_passed_its_examination() -> None:
    require(SHIPPED)
    certificate = Certificate.model_validate_json(place_of(SHIPPED).read_text())
    assert certificate.sha256 == sha256(SHIPPED)
    assert SHIPPED.stat().st_size == certificate.bytes <= MOST_BYTES
    assert certificate.result.cases == len(read_cases())
    assert not certificate.failed


def reads(cases: list[Case]) -> float:
    """The share of cases in which a best action is the likeliest."""
    asking = Asking()
    with closing(open_model(SHIPPED, asking)) as model:
        rows = Room(Impartial(model, WORTH), asking, lambda: None).ask(cases)
    hits = [
        case.actions[int(row.argmax())] in case.best for case, row in zip(cases, rows, strict=True)
    ]
    return sum(hits) / len(hits)


@pytest.mark.usefixtures("needs_llama")
def test_it_reads_as_its_certificate_says() -> None:
    found = reads(read_cases()[::6])
    certified = Certificate.model_validate_json(place_of(SHIPPED).read_text()).result.top1
    assert abs(found - certified) < 0.08  # of 42 cases, three


@pytest.mark.usefixtures("needs_llama")
def test_it_guides_by_its_name() -> None:
    games = Cage2(1, torch.Generator().manual_seed(1))
    advice = make_teacher("lm", "official").distribution([games.describe(0)])
    assert advice.shape == (1, games.num_actions)
    torch.testing.assert_close(advice.sum(1), torch.ones(1))
