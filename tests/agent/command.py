"""Runs the command as a user does: another process, its output, its exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ARGV = (sys.executable, "-m", "agent.cli")


def sluice(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """``sluice ARGUMENTS``, which must exit with ``code`` and without a traceback."""
    command = [*ARGV, *map(str, arguments)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done
