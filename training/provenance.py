"""Where a result comes from."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def commit() -> str:
    """The commit that this checkout is at; ``unknown`` outside of one.

    A ``+`` stands for uncommitted changes. Those of ``docs`` do not count: no result comes from
    there, but studies write theirs to it.
    """
    try:
        described = _git("describe", "--always", "--abbrev=12")
        changed = _git("status", "--porcelain", "-uno", "--", ":/", ":(top,exclude)docs")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{described}+" if changed else described


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def machine(device: torch.device) -> str:
    """What computes: the GPU's name, or the processor's architecture and its threads."""
    import torch  # corpora are handled without it

    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads, torch {torch.__version__}"
