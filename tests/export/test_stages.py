"""Stages: made once, and again when what they depend on changed or was damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import OutputError
from export.stages import stage


class _Maker:
    """Counts how often it is asked."""

    def __init__(self, content: bytes = b"content") -> None:
        self.content, self.asked = content, 0

    def __call__(self) -> tuple[dict[str, bytes], dict[str, int]]:
        self.asked += 1
        return {"file": self.content}, {"size": len(self.content)}


def test_a_stage_is_made_once(tmp_path: Path) -> None:
    make = _Maker()
    first = stage(tmp_path / "x", "one", {"a": 1}, make)
    again = stage(tmp_path / "x", "one", {"a": 1}, make)
    assert (first.fresh, again.fresh, make.asked) == (True, False, 1)
    assert (first.about, first.digest) == (again.about, again.digest)
    assert (tmp_path / "x" / "file").read_bytes() == b"content"


def test_it_is_made_again_for_other_settings_and_then_has_another_digest(tmp_path: Path) -> None:
    make = _Maker()
    first = stage(tmp_path, "one", {"a": 1}, make)
    other = stage(tmp_path, "one", {"a": 2}, make)
    assert make.asked == 2
    assert first.digest != other.digest


@pytest.mark.parametrize("damage", ["file", "one.json"])
def test_it_is_made_again_where_it_was_damaged(tmp_path: Path, damage: str) -> None:
    make = _Maker()
    stage(tmp_path, "one", {"a": 1}, make)
    (tmp_path / damage).write_text("{")
    assert stage(tmp_path, "one", {"a": 1}, make).fresh
    assert (tmp_path / "file").read_bytes() == b"content"


def test_what_failed_leaves_nothing_that_looks_made(tmp_path: Path) -> None:
    def fail() -> tuple[dict[str, bytes], dict[str, int]]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path, "one", {"a": 1}, fail)
    assert stage(tmp_path, "one", {"a": 1}, _Maker()).fresh


def test_a_folder_that_cannot_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        stage(tmp_path / "x", "one", {}, _Maker())
