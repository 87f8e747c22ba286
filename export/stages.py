"""Stages of an export in a folder: made once, and again when what they depend on has changed.

::

    FOLDER/STAGE.json    what it depended on, the hashes of its files, and what it did
    FOLDER/...           its files
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import OutputError
from training.provenance import sha256
from training.study_pool import write_whole

Made = tuple[Mapping[str, bytes], Mapping[str, Any]]
"""Contents of a stage's files, by name, and what was done, as JSON can hold it."""

Make = Callable[[], Made]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that has been made.

    Attributes:
        name: of the stage.
        about: what it did, as JSON can hold it.
        digest: SHA-256 over all that it depended on and made: what the next ones depend on.
        fresh: whether it was made just now.
    """

    name: str
    about: Mapping[str, Any]
    digest: str
    fresh: bool


def stage(
    folder: Path,
    name: str,
    depends_on: Mapping[str, Any],
    make: Make,
) -> Stage:
    """Make a stage, unless the folder has it already.

    Args:
        folder: of the export; made if need be.
        name: of the stage.
        depends_on: all settings and digests of what it takes, as JSON can hold them.
        make: gives the files and what was done.

    Raises:
        OutputError: the folder cannot be written to.
    """
    wanted = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    note = folder / f"{name}.json"
    if (kept := _kept(folder, note, wanted)) is not None:
        return Stage(name, kept["about"], _digest(kept), fresh=False)
    files, about = make()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            unfinished = folder / f"{file}.part"
            unfinished.write_bytes(content)
            unfinished.replace(folder / file)
        hashes = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
        kept = {"of": wanted, "files": hashes, "about": dict(about)}
        write_whole(note, json.dumps(kept, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    return Stage(name, kept["about"], _digest(kept), fresh=True)


def _kept(folder: Path, note: Path, wanted: str) -> dict[str, Any] | None:
    """What is written of a stage, if it is the one that is wanted and its files are whole."""
    try:
        kept: dict[str, Any] = json.loads(note.read_text())
        whole = all(sha256(folder / file) == digest for file, digest in kept["files"].items())
    except (OSError, ValueError, KeyError):
        return None  # nothing, or half of it: it is made again
    return kept if kept["of"] == wanted and whole else None


def _digest(kept: Mapping[str, Any]) -> str:
    parts = json.dumps([kept["of"], kept["files"]], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()
