"""Files that the agent writes for people: never over the capture they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from agent.errors import OutputError


@contextmanager
def open_output(path: Path, inputs: Iterable[Path]) -> Iterator[BinaryIO]:
    """Open a file for writing, replacing what it held.

    Args:
        path: the file.
        inputs: files that must not be overwritten, as they are being read.

    Raises:
        OutputError: it is one of the inputs, or the operating system refuses it.
    """
    try:
        if path.exists() and any(path.samefile(given) for given in inputs):
            raise OutputError(f"{path}: is the capture itself; name another file")
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        OutputError: the operating system refuses it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made ({error.strerror or error})") from error
