"""Which commit a result names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from training import provenance


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a module and a page, and our module as if it were in there."""
    for name in ("training/provenance.py", "docs/results.md"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("one\n")
    me = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    for arguments in (["init", "-q"], ["add", "."], [*me, "commit", "-qm", "Begin"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "training" / "provenance.py"))
    return tmp_path


def test_a_clean_checkout_is_named_by_its_commit(checkout: Path) -> None:
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=checkout, text=True)
    assert provenance.commit() == head[:12]


@pytest.mark.parametrize(
    ("name", "marked"),
    [("training/provenance.py", True), ("docs/results.md", False), ("notes.txt", False)],
)
def test_changes_of_code_are_marked(checkout: Path, name: str, marked: bool) -> None:
    (checkout / name).write_text("two\n")
    assert provenance.commit().endswith("+") == marked


def test_outside_of_a_checkout_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit() == "unknown"
