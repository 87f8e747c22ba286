"""A corpus of composed gateways."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from agent.labels import FlowLabels
from tests.training.gateway.compose.captures import capture, syn, talk, write
from training.errors import CorpusError
from training.gateway.compose.corpus import compose_corpus
from training.gateway.corpus import SPLITS, Capture, Corpus, Split


def a_capture(folder: Path, split: Split, label: str) -> Capture:
    """A few flows between hosts that no other capture has."""
    name = f"{split}-{label}.pcap"
    number = 10 * SPLITS.index(split) + (label == "malicious")
    host = f"10.{number}.0.1"
    if label == "benign":
        packets = [each for i in range(30) for each in talk(f"10.{number}.0.{i}", "9.9.9.9", i)]
    else:
        packets = [(i * 0.01, syn(host, f"10.{number}.1.{i}", 4000, 445)) for i in range(30)]
    write(folder / name, packets)
    return capture(name, label, "web" if label == "benign" else "worm", split, split=split)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(
        capture=tuple(
            a_capture(tmp_path, split, label)
            for split in SPLITS
            for label in ("benign", "malicious")
        )
    )


@pytest.mark.parametrize("split", SPLITS)
def test_splits_never_meet(corpus: Corpus, tmp_path: Path, split: Split) -> None:
    for one in corpus.capture:
        if one.split != split:
            (tmp_path / one.path).unlink()  # it is not even opened
    out = tmp_path / "out"
    made = compose_corpus(corpus, tmp_path, split, out, 8, 10, 1)
    assert {one.split for one in made.capture} == {split}
    origins = set()
    for one in made.capture:
        with (out / str(one.labels)).open() as file:
            origins |= {row["capture"] for row in csv.DictReader(file)}
    assert origins == {f"{split}-benign.pcap", f"{split}-malicious.pcap"}


def test_the_manifest_says_what_is_there(corpus: Corpus, tmp_path: Path) -> None:
    done: list[int] = []
    out = tmp_path / "new" / "out"
    made = compose_corpus(corpus, tmp_path, "train", out, 3, 10, 7, done.append)
    assert Corpus.load(out / "corpus.toml") == made
    assert done == [1, 2, 3]
    assert [one.source for one in made.capture] == ["composed 7", "composed 8", "composed 9"]
    for one in made.capture:
        assert hashlib.sha256((out / one.path).read_bytes()).hexdigest() == one.sha256
        assert len(FlowLabels.read(out / str(one.labels)))


def test_processes_change_nothing(corpus: Corpus, tmp_path: Path) -> None:
    one = compose_corpus(corpus, tmp_path, "train", tmp_path / "one", 3, 10, 7)
    two = compose_corpus(corpus, tmp_path, "train", tmp_path / "two", 3, 10, 7, processes=2)
    assert one == two


def test_a_split_without_benign_captures(corpus: Corpus, tmp_path: Path) -> None:
    attacks = Corpus(capture=tuple(c for c in corpus.capture if c.label == "malicious"))
    with pytest.raises(CorpusError, match="no benign traffic"):
        compose_corpus(attacks, tmp_path, "train", tmp_path / "out", 1, 10, 1)


def test_a_folder_that_cannot_be_made(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CorpusError, match="cannot be made"):
        compose_corpus(corpus, tmp_path, "train", tmp_path / "file", 1, 10, 1)


def test_what_was_composed_is_not_composed_again(corpus: Corpus, tmp_path: Path) -> None:
    made = compose_corpus(corpus, tmp_path, "train", tmp_path, 2, 10, 1)
    again = compose_corpus(
        made.with_captures(corpus.capture), tmp_path, "train", tmp_path / "b", 2, 10, 1
    )
    assert again == made
