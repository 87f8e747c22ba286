"""Fixtures: where the shared corpus lies, and a way to write a capture."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def corpus() -> list[Path]:
    """Every capture of the shared corpus."""
    shared = Path(os.environ.get("SLUICE_SHARED", REPOSITORY.parent / "shared"))
    manifest = shared / "captures" / "manifest.csv"
    if not manifest.is_file():
        pytest.skip("no shared captures: set SLUICE_SHARED to the folder that holds captures/")
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
