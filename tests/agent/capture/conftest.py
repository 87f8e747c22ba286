"""Fixtures: the recorded captures, and a way to write one."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpus(shared: Path) -> list[Path]:
    """Every recorded capture."""
    manifest = shared / "captures" / "manifest.csv"
    with manifest.open(newline="") as rows:
        return [manifest.parent / row["file"] for row in csv.DictReader(rows)]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write bytes to a file, and tell where."""

    def to_file(content: bytes) -> Path:
        path = tmp_path / "capture"
        path.write_bytes(content)
        return path

    return to_file
