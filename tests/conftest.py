"""Fixtures that several folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded captures, which is not part of the project."""
    folder = Path(os.environ.get("SLUICE_SHARED", ROOT.parent / "shared"))
    if not (folder / "captures").is_dir():
        pytest.skip("no recorded captures here; set SLUICE_SHARED to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    """Our own sample captures."""
    return ROOT / "tests" / "captures"
