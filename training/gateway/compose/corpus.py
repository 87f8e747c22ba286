"""A corpus of composed gateways, from the captures of one split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from training.errors import CorpusError
from training.gateway.compose.compose import compose
from training.gateway.compose.parts import Part, cut
from training.gateway.corpus import Capture, Corpus, Split, digest
from training.gateway.labelling import labels_of

MANIFEST: Final = "corpus.toml"
_COMPOSED: Final = "composed"  # how the source of a composed capture begins


def compose_corpus(
    corpus: Corpus,
    folder: Path,
    split: Split,
    out: Path,
    count: int,
    minutes: float,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
    processes: int = 1,
) -> Corpus:
    """Compose gateways from the captures of one split, and write them with their manifest.

    Args:
        corpus: what to compose from; captures of other splits are not opened.
        folder: the corpus's.
        split: which captures, and what the gateways are for.
        out: folder for ``gateway-SEED.pcap``, ``gateway-SEED.labels.csv`` and ``corpus.toml``.
        count: of gateways; their seeds are ``seed``, ``seed + 1`` and so on.
        minutes: that each is watched.
        seed: the same gives the same gateways, however many processes share the work.
        progress: told how many gateways are done.
        processes: that share the work.

    Raises:
        CorpusError: the split has nothing to compose from, or ``out`` cannot be written.
        CaptureError: a capture cannot be opened.
        LabelError: a label file cannot be used.
    """
    parts = parts_of(corpus.of(split), folder, minutes)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CorpusError(f"{out}: cannot be made ({error.strerror})") from error
    captures: list[Capture] = []
    for capture in _composed(
        _Job(parts, split, out, minutes), range(seed, seed + count), processes
    ):
        captures.append(capture)
        progress(len(captures))
    composed = Corpus(capture=tuple(captures))
    composed.save(out / MANIFEST)
    return composed


def parts_of(captures: Iterable[Capture], folder: Path, minutes: float) -> list[Part]:
    """All parts of captures that last at most ``minutes``; errors as for `compose_corpus`.

    Captures that were composed themselves give none: what they hold may be of any split.
    """
    return [
        part
        for capture in captures
        if not capture.source.startswith(_COMPOSED)
        for part in cut(capture, folder, labels_of(capture, folder), minutes)
    ]


@dataclass(frozen=True, slots=True)
class _Job:
    """What all gateways of a corpus have in common."""

    parts: list[Part]
    split: Split
    out: Path
    minutes: float

    def compose(self, seed: int) -> Capture:
        """Compose and write one gateway."""
        name = f"gateway-{seed}"
        compose(self.parts, seed, self.minutes).save(self.out, name)
        path = self.out / f"{name}.pcap"
        return Capture(
            path=path.name,
            sha256=digest(path),
            label="per flow",
            labels=f"{name}.labels.csv",
            source=f"{_COMPOSED} {seed}",
            split=self.split,
        )


_job: list[_Job] = []
"""Of a worker process: the parts are sent to it once, not with every seed."""


def _composed(job: _Job, seeds: range, processes: int) -> Iterator[Capture]:
    if min(processes, len(seeds)) <= 1:
        yield from map(job.compose, seeds)
        return
    # Forking a process that may hold threads is not safe.
    with ProcessPoolExecutor(processes, get_context("spawn"), _take, (job,)) as workers:
        yield from workers.map(_compose_in_worker, seeds)


def _take(job: _Job) -> None:
    _job.append(job)


def _compose_in_worker(seed: int) -> Capture:
    return _job[0].compose(seed)
