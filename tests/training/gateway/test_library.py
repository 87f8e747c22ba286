"""Recordings are made once, and only of what the manifest means."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.training.gateway.corpora import SAMPLES, sample
from training.errors import CorpusError
from training.gateway.library import recordings_of


def test_a_second_look_reads_what_the_first_one_made(tmp_path: Path) -> None:
    captures = [sample("scan"), sample("beacon")]
    first = recordings_of(captures, SAMPLES, tmp_path / "cache")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    again = recordings_of(captures, SAMPLES, tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == made
    assert len(made) == 2
    for one, other in zip(first, again, strict=True):
        assert one.capture == other.capture
        np.testing.assert_array_equal(one.recording.observations, other.recording.observations)


def test_processes_make_the_same(tmp_path: Path) -> None:
    captures = [sample("scan"), sample("beacon")]
    one = recordings_of(captures, SAMPLES, tmp_path / "one")
    two = recordings_of(captures, SAMPLES, tmp_path / "two", processes=2)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.recording.observations, b.recording.observations)
        np.testing.assert_array_equal(a.recording.label, b.recording.label)


def test_other_labels_are_another_recording(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "beacon.pcap", tmp_path)
    rows = (SAMPLES / "beacon.labels.csv").read_text()
    (tmp_path / "beacon.labels.csv").write_text(rows)
    before = recordings_of([sample("beacon")], tmp_path, tmp_path / "cache")
    (tmp_path / "beacon.labels.csv").write_text(rows.replace(",malicious,", ",benign,"))
    after = recordings_of([sample("beacon")], tmp_path, tmp_path / "cache")
    assert (before[0].recording.label == 1).any()
    assert not (after[0].recording.label == 1).any()


def test_a_missing_capture_and_a_changed_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"beacon\.labels\.csv: cannot be read"):
        recordings_of([sample("beacon")], tmp_path, tmp_path / "cache")
    shutil.copy(SAMPLES / "beacon.labels.csv", tmp_path)
    with pytest.raises(CorpusError, match=r"beacon\.pcap: is missing"):
        recordings_of([sample("beacon")], tmp_path, tmp_path / "cache")
    (tmp_path / "beacon.pcap").write_bytes((SAMPLES / "scan.pcap").read_bytes())
    with pytest.raises(CorpusError, match="not the capture that the manifest means"):
        recordings_of([sample("beacon")], tmp_path, tmp_path / "cache")
