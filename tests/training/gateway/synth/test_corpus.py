"""A synthetic corpus is a corpus."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from agent.labels import FlowLabels, label_path
from training.errors import CorpusError
from training.gateway.corpus import Corpus
from training.gateway.synth.corpus import write_corpus
from training.gateway.synth.gateway import synthesise


def ignore(done: int) -> None:
    pass


def test_what_is_written_is_what_is_said(tmp_path: Path) -> None:
    told: list[int] = []
    corpus = write_corpus(tmp_path / "new", 10, 0.2, 1, told.append)
    assert told == list(range(1, 11))
    assert {each.path for each in Corpus.load(tmp_path / "new" / "corpus.toml").capture} == {
        each.path for each in corpus.capture
    }
    splits = [each.split for each in corpus.capture]
    assert [splits.count("validation"), splits.count("held-out")] == [1, 1]
    for each in corpus.capture:
        path = tmp_path / "new" / each.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == each.sha256
        assert each.labels
        assert label_path(path) == tmp_path / "new" / each.labels
        assert len(FlowLabels.read(tmp_path / "new" / each.labels)) > 0
        assert each.source == f"synthetic {path.stem}"
    first = corpus.capture[0]
    synthesise(int(first.path.removesuffix(".pcap")), 0.2).save(tmp_path, "again")
    assert (tmp_path / "again.pcap").read_bytes() == (tmp_path / "new" / first.path).read_bytes()


def test_many_captures_take_many_processes_and_are_the_same(tmp_path: Path) -> None:
    few = write_corpus(tmp_path / "few", 3, 0.02, 9, ignore)
    many = write_corpus(tmp_path / "many", 16, 0.02, 9, ignore)
    assert many.capture[:3] == few.capture


def test_corpora_of_other_seeds_share_nothing(tmp_path: Path) -> None:
    one, two = (write_corpus(tmp_path / str(n), 3, 0.02, n, ignore) for n in (1, 2))
    assert not {each.path for each in one.capture} & {each.path for each in two.capture}


@pytest.mark.parametrize(("count", "minutes"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, float("nan"))])
def test_numbers_that_make_no_corpus(count: int, minutes: float, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="write at least 1"):
        write_corpus(tmp_path, count, minutes, 1, ignore)


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="cannot be written"):
        write_corpus(tmp_path / "file", 1, 0.1, 1, ignore)
