"""Certificates: what passes, what fails, and who is let in with one."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from training.errors import TeacherError
from training.teacher.qualification import Certificate, place_of, require
from training.teacher.qualify import Result

WEIGHTS = b"GGUF and so on"
GOOD = Result(
    cases=250,
    top1=0.9,
    top3=0.98,
    kl=0.25,
    calibration=0.125,
    flips=100,
    flip_rate=0.9,
    permutation_tv=0.02,
    order_tv=0.5,
    size_tv=0.75,
    without_passages_top1=0.4,
    latency_ms={name: {"p50": 1.5, "p99": 2.5} for name in ("cold", "prefix", "state")},
)  # just good enough; for what no requirement is about, any number will do


def certificate(**changes: Any) -> Certificate:
    return Certificate(
        sha256=sha256(WEIGHTS).hexdigest(),
        parameters=7,
        bytes=len(WEIGHTS),
        commit="0123456789ab",
        machine="an abacus",
        result=replace(GOOD, **changes),
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"top1": 0.899}, "top1 89.9%, below 90%"),
        ({"top3": 0.979}, "top3 97.9%, below 98%"),
        ({"flip_rate": 0.899}, "follows 89.9% of changed passages, below 90%"),
        ({"permutation_tv": 0.021}, "moving hosts changes its advice by 0.021, above 0.02"),
        (
            {"without_passages_top1": 0.801},
            "loses only 9.9% of top1 without passages, below 10%",
        ),
        (
            {"top1": 1.0, "without_passages_top1": 1.0},
            "loses only 0.0% of top1 without passages, below 10%",
        ),
    ],
)
def test_each_requirement_that_is_just_missed_is_named_alone(
    changes: dict[str, float], says: str
) -> None:
    assert certificate(**changes).failed == [says]


@pytest.mark.parametrize("without", [0.4, 0.799, 0.0])
def test_what_just_meets_every_requirement_passes(without: float) -> None:
    assert certificate(without_passages_top1=without).failed == []


def test_all_that_is_missed_is_named() -> None:
    found = certificate(top1=0.0, top3=0.0, flip_rate=0.0, permutation_tv=1.0)
    assert len(found.failed) == 5


def test_numbers_that_are_none_do_not_pass() -> None:
    names = ("top1", "top3", "flip_rate", "permutation_tv", "without_passages_top1")
    for name in names:
        assert certificate(**{name: float("nan")}).failed, name


def test_a_certificate_survives_a_file() -> None:
    kept = certificate(top1=1 / 3)
    assert Certificate.model_validate_json(kept.model_dump_json()) == kept


def test_as_json_everything_is_on_one_level() -> None:
    kept = certificate(top3=0.5)
    found = json.loads(kept.as_json())
    assert found == {
        "cases": 250,
        "top1": 0.9,
        "top3": 0.5,
        "kl": 0.25,
        "calibration": 0.125,
        "flips": 100,
        "flip_rate": 0.9,
        "permutation_tv": 0.02,
        "order_tv": 0.5,
        "size_tv": 0.75,
        "without_passages_top1": 0.4,
        "latency_ms": {name: {"p50": 1.5, "p99": 2.5} for name in ("cold", "prefix", "state")},
        "sha256": sha256(WEIGHTS).hexdigest(),
        "parameters": 7,
        "bytes": 14,
        "commit": "0123456789ab",
        "machine": "an abacus",
        "failed": ["top3 50.0%, below 98%"],
    }


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file that passed its examination."""
    path = tmp_path / "model.gguf"
    path.write_bytes(WEIGHTS)
    place_of(path).write_text(certificate().model_dump_json())
    return path


def refused(model: Path) -> str:
    with pytest.raises(TeacherError) as told:
        require(model)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_one_that_passed_is_let_in(model: Path) -> None:
    assert place_of(model) == model.parent / "model.gguf.qualification.json"
    require(model)


def test_one_that_was_never_examined_is_refused(model: Path) -> None:
    place_of(model).unlink()
    assert refused(model) == (
        f"{model}: was never examined as a teacher; run `sluice-train teacher qualify {model}`"
    )


def test_one_that_failed_is_refused_with_its_reasons(model: Path) -> None:
    failed = certificate(top1=0.6, top3=0.75)
    place_of(model).write_text(failed.model_dump_json())
    assert refused(model) == (
        f"{model}: failed its examination as a teacher"
        " (top1 60.0%, below 90%; top3 75.0%, below 98%);"
        " --unqualified takes it all the same"
    )


def test_one_that_changed_since_is_refused(model: Path) -> None:
    model.write_bytes(WEIGHTS + b"!")
    assert refused(model) == (
        f"{model}: was changed since its examination; run `sluice-train teacher qualify {model}`"
    )


GOOD_JSON = certificate().model_dump_json()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        GOOD_JSON[:-1].encode(),
        b"{}",
        GOOD_JSON.replace('"top1":0.9', '"top1":"all"').encode(),
        GOOD_JSON.replace('"top1":0.9,', "").encode(),
        GOOD_JSON.replace('"parameters":7', '"parameters":7,"signed":true').encode(),
    ],
    ids=["empty", "no text", "cut", "nothing in it", "no number", "a key too few", "one too many"],
)
def test_a_damaged_certificate_is_refused_by_name(model: Path, content: bytes) -> None:
    place_of(model).write_bytes(content)
    told = refused(model)
    assert told.startswith(f"{place_of(model)}: cannot be read (")
    assert told.endswith(f"; run `sluice-train teacher qualify {model}`")


def test_a_file_that_is_not_there_is_refused_whatever_its_certificate(model: Path) -> None:
    model.unlink()
    assert refused(model) == f"{model}: no such file; name a GGUF or an ONNX file"
