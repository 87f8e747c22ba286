"""Failure signatures on made-up rows of metrics."""

from __future__ import annotations

from typing import Any

import pytest

from training.signatures import COLLAPSE, DRIFT, SHARP, Watch

CALM = {"steps": 0.0, "entropy": 2.0, "sharp": 0.0}


def seen(*rows: dict[str, Any]) -> dict[str, float]:
    watch = Watch()
    for n, row in enumerate(rows):
        watch.look(CALM | row | {"steps": float(n)})
    return watch.seen


def test_a_calm_run_shows_nothing() -> None:
    assert seen({}, {"entropy": 0.2, "sharp": 0.5}, {"entropy": 0.1}) == {}


@pytest.mark.parametrize(
    ("name", "row"), [(SHARP, {"sharp": 0.51}), (COLLAPSE, {"entropy": 0.099})]
)
def test_a_signature_is_noted_when_it_first_shows(name: str, row: dict[str, float]) -> None:
    assert seen({}, row, {}, row) == {name: 1.0}


def test_it_is_told_once() -> None:
    watch = Watch()
    lines = watch.look(CALM | {"sharp": 0.9, "steps": 1200.0})
    assert lines == [
        "sharp after 1,200 steps: in more than half of the states one action has a probability"
        " above 0.99"
    ]
    assert watch.look(CALM | {"sharp": 0.9}) == []


def test_drift_is_from_the_agreement_at_the_hand_over() -> None:
    guided, alone = {"mask": 0.25, "auxiliary": 0.25}, {"mask": 0.0, "auxiliary": 0.0}
    begun = guided | {"agreement": 0.2}, guided | {"agreement": 0.8}
    assert seen(*begun, alone | {"agreement": float("nan")}, alone | {"agreement": 0.41}) == {}
    assert seen(*begun, alone | {"agreement": 0.39}) == {DRIFT: 2.0}


def test_no_drift_without_a_teacher() -> None:
    assert seen({}, {"agreement": 0.0}, {}) == {}
