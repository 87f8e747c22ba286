"""Answers that were given before: in memory, the latest; on disk, all."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.errors import TeacherError

T = TypeVar("T")


class Latest(Generic[T]):
    """Keeps what was used last.

    Attributes:
        asked: how often something was looked up.
        found: how often it was there.

    Args:
        size: entries that are kept.
    """

    def __init__(self, size: int) -> None:
        self.asked = self.found = 0
        self._size = size
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable) -> T | None:
        """What was kept under the key, if it still is."""
        self.asked += 1
        value = self._kept.get(key)
        if value is not None:
            self.found += 1
            self._kept.move_to_end(key)
        return value

    def clear(self) -> None:
        """Keep nothing; what was counted stays."""
        self._kept.clear()

    def put(self, key: Hashable, value: T) -> None:
        """Keep a value, and forget the one that was not used for longest if there are too many."""
        self._kept[key] = value
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)


class Disk:
    """Rows of numbers in an SQLite file, which processes may share.

    Args:
        path: of the file; it is made if absent.

    Raises:
        TeacherError: the file is something else, damaged, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # What is lost in a crash is only asked again, so nothing waits for the disk.
            self._rows = sqlite3.connect(path, isolation_level=None, timeout=60)
            self._rows.execute("PRAGMA synchronous = OFF")
            self._rows.execute(
                "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, row BLOB)"
            )
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def get(self, key: bytes) -> NDArray[np.float32] | None:
        """The row ``(actions,)`` that was kept under the key, if one was."""
        try:
            found = self._rows.execute("SELECT row FROM answers WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return None if found is None else np.frombuffer(found[0], np.float32).copy()

    def put(self, key: bytes, row: NDArray[np.float32]) -> None:
        """Keep a row."""
        try:
            self._rows.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, row.tobytes()))
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()

    def _unusable(self, error: sqlite3.Error) -> TeacherError:
        return TeacherError(
            f"{self._path}: cannot be used as a cache of answers ({error}); "
            "delete it or name another"
        )
