"""The public corpus keeps the rules by which it was split (``docs/corpora.md``)."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from training.gateway.corpus import PUBLIC, Corpus, Split
from training.gateway.corpus_show import count, straddling
from training.gateway.labels.families import FAMILIES, KINDS

VISIBLE_OF_TWO_SOURCES = sorted(set(FAMILIES[:8]) - {"worm"})  # of worms there is one capture


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.load(PUBLIC)


def sources(corpus: Corpus, *splits: Split, family: str = "") -> set[str]:
    return {c.source for c in corpus.of(*splits) if not family or c.family == family}


def test_no_source_is_in_train_and_held_out(corpus: Corpus) -> None:
    assert straddling(corpus) == []


def test_families_are_ours(corpus: Corpus) -> None:
    names = {"malicious": FAMILIES, "benign": KINDS, "per flow": ("",)}
    for capture in corpus.capture:
        assert capture.family in names[capture.label], capture.path


@pytest.mark.parametrize("family", VISIBLE_OF_TWO_SOURCES)
def test_visible_families_are_held_out_from_a_source_never_trained_on(
    corpus: Corpus, family: str
) -> None:
    held_out = sources(corpus, "held-out", family=family)
    assert held_out
    assert sources(corpus, "train", family=family)
    assert not held_out & sources(corpus, "train", "validation")


@pytest.mark.parametrize(("label", "share"), [("malicious", 0.25), ("benign", 0.25)])
def test_a_quarter_and_more_is_held_out(corpus: Corpus, label: str, share: float) -> None:
    splits = [c.split for c in corpus.capture if c.label == label]
    assert share <= splits.count("held-out") / len(splits) <= 0.4
    assert 0.05 <= splits.count("validation") / len(splits) <= 0.15


def test_what_a_composed_gateway_is_made_of_is_not_trained_on(corpus: Corpus, shared: Path) -> None:
    trained = {Path(c.path).name for c in corpus.of("train")}
    with (shared / "captures" / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("mixed/composed")]
    assert len(rows) == 2
    for row in rows:
        assert not trained & {part.strip() for part in row["source_path"].split(";")}


def test_hashes_are_those_of_the_files(corpus: Corpus, shared: Path) -> None:
    for capture in corpus.capture:
        content = (shared / "captures" / capture.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == capture.sha256, capture.path


def test_all_flows_of_a_composed_gateway_have_a_label(corpus: Corpus, shared: Path) -> None:
    (home,) = (c for c in corpus.capture if c.path == "mixed/composed__home-gateway.pcap")
    found = count(home, shared / "captures")
    assert found.malicious > 900
    assert found.benign > 500
    assert found.unlabelled == 0
