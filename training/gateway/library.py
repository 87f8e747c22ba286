"""The recordings of a corpus, made once: a cache by what they depend on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from agent.config import Settings
from agent.observation import SCHEMA_HASH
from training.errors import CorpusError
from training.gateway.corpus import Capture, Corpus, Split, digest
from training.gateway.labelling import labels_of
from training.gateway.record import record
from training.gateway.recording import Recording

_FORM: Final = 2  # of recordings; a new one makes all of them anew


class Recorded(NamedTuple):
    """A capture with its recording."""

    capture: Capture
    recording: Recording


def recordings_of(
    captures: Sequence[Capture],
    folder: Path,
    cache: Path,
    *,
    processes: int = 1,
    advance: Callable[[], object] = lambda: None,
) -> list[Recorded]:
    """Recordings of captures, but of those in which no flow is followed.

    Args:
        captures: of a corpus.
        folder: the corpus's.
        cache: folder that keeps recordings, and is made if absent.
        processes: that share the work.
        advance: called after each capture.

    Raises:
        CorpusError: a capture is missing, or not the one that the manifest means.
        CaptureError: a capture cannot be read.
        LabelError: its labels cannot be used.
    """
    cache.mkdir(parents=True, exist_ok=True)
    found = []
    for capture, made in zip(
        captures, _all(partial(_recording, folder, cache), captures, processes), strict=True
    ):
        if len(made.time_ns):
            found.append(Recorded(capture, made))
        advance()
    return found


def by_corpus(
    manifests: Sequence[Path],
    folders: Sequence[Path],
    split: Split,
    cache: Path,
    *,
    processes: int = 1,
) -> list[list[Recorded]]:
    """The recordings of a split, corpus by corpus.

    Args:
        manifests: of the corpora.
        folders: theirs.
        split: which captures.
        cache: of recordings.
        processes: that make them.

    Raises:
        CorpusError: there is none, or a corpus cannot be used.
    """
    found = [
        recordings_of(Corpus.load(manifest).of(split), folder, cache, processes=processes)
        for manifest, folder in zip(manifests, folders, strict=True)
    ]
    if not any(found):
        raise CorpusError(f"no capture is for {split}: {', '.join(map(str, manifests))}")
    return found


def _all(
    make: Callable[[Capture], Recording], captures: Sequence[Capture], processes: int
) -> Iterator[Recording]:
    if min(processes, len(captures)) <= 1:
        yield from map(make, captures)
        return
    # Forking a process that may hold threads is not safe.
    with ProcessPoolExecutor(processes, get_context("spawn")) as workers:
        yield from workers.map(make, captures)


def _recording(folder: Path, cache: Path, capture: Capture) -> Recording:
    path = folder / capture.path
    kept = cache / f"{_key(capture, folder)}.npz"
    if kept.exists():
        return Recording.load(kept)
    if not path.is_file():
        raise CorpusError(f"{path}: is missing; `sluice-train corpus fetch` or say --folder")
    if digest(path) != capture.sha256:
        raise CorpusError(f"{path}: is not the capture that the manifest means (another sha256)")
    made = record(path, labels_of(capture, folder))
    # Whole or not at all: a run may be cut off, and others may be looking.
    unfinished = cache / f"{kept.stem}.{os.getpid()}.npz"
    made.save(unfinished)
    unfinished.replace(kept)
    return made


def _key(capture: Capture, folder: Path) -> str:
    """Of all that a recording depends on."""
    labels = "" if capture.labels is None else digest(folder / capture.labels)
    parts = (
        *(str(_FORM), SCHEMA_HASH, Settings().model_dump_json()),
        *(capture.sha256, capture.label, capture.family, labels, *capture.spares),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
