"""``sluice-train`` as a user drives it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def train(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = code or "from training.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", command, *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    done = train("gateway", "evaluate", "playbook", "--corpus", str(tmp_path / "absent"))
    assert done.returncode == 1
    assert done.stderr.startswith("error:")
    assert "absent" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from training.cli import main; main()"
    done = train("gateway", "train", str(tmp_path / "run"), "--corpus", "public", code=code)
    assert done.returncode == 1
    assert "sluicegate[train]" in done.stderr


def test_without_a_tokeniser_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['tokenizers'] = None; from training.cli import main; main()"
    done = train("teacher", "train", str(tmp_path / "build"), code=code)
    assert done.returncode == 1
    assert "sluicegate[lm]" in done.stderr
    assert "Traceback" not in done.stderr
