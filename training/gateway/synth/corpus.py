"""A corpus of synthetic captures: many imagined gateways, each a capture with its labels."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from training.errors import CorpusError
from training.gateway.corpus import Capture, Corpus, Split, digest
from training.gateway.synth.gateway import synthesise

_SPLITS: Final[dict[int, Split]] = {4: "validation", 9: "held-out"}  # by a capture's last digit
_WORTH_A_PROCESS = 8  # captures; a process needs a second to begin


def write_corpus(
    folder: Path, count: int, minutes: float, seed: int, progress: Callable[[int], None]
) -> Corpus:
    """Write ``count`` captures of so many minutes with their label files, and ``corpus.toml``.

    Of ten captures one is for validation and one held out. A capture's source, and its file, carry
    its own seed: that and ``minutes`` make it again. Uses all cores; ``progress`` is told how many
    are done.

    Raises:
        CorpusError: the folder cannot be written, or the numbers make no corpus.
    """
    if count < 1 or not minutes > 0:
        raise CorpusError(f"{count} captures of {minutes:g} minutes: write at least 1, above 0")
    seeds = [_seed_of(seed, index) for index in range(count)]
    captures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index, (own, made) in enumerate(_written(folder, minutes, seeds)):
            captures.append(_capture(own, made, index))
            progress(len(captures))
    except OSError as error:
        raise CorpusError(f"{folder}: cannot be written ({error.strerror})") from error
    corpus = Corpus(capture=tuple(captures))
    corpus.save(folder / "corpus.toml")
    return corpus


def _seed_of(seed: int, index: int) -> int:
    """One of 48 bits, so that corpora of neighbouring seeds have no capture in common."""
    return int.from_bytes(hashlib.sha256(f"{seed} {index}".encode()).digest()[:6], "big")


def _written(folder: Path, minutes: float, seeds: list[int]) -> Iterator[tuple[int, str]]:
    """Seeds in their order, each with the SHA-256 of the capture that it gave."""
    write = partial(_write, folder, minutes)
    workers = min(os.cpu_count() or 1, len(seeds) // _WORTH_A_PROCESS)
    if workers <= 1:
        yield from map(write, seeds)
        return
    # A fork would copy the locks of torch's threads.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        yield from pool.map(write, seeds)


def _write(folder: Path, minutes: float, seed: int) -> tuple[int, str]:
    synthesise(seed, minutes).save(folder, str(seed))
    return seed, digest(folder / f"{seed}.pcap")


def _capture(seed: int, made: str, index: int) -> Capture:
    return Capture(
        path=f"{seed}.pcap",
        sha256=made,
        label="per flow",
        labels=f"{seed}.labels.csv",
        source=f"synthetic {seed}",
        split=_SPLITS.get(index % 10, "train"),
        licence="CC0-1.0",
    )
