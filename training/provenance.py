"""Where a result comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit() -> str:
    """The commit that this checkout is at, with ``+`` for uncommitted changes; else ``unknown``."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
