"""The page of a finished run: how it learned, and what its network does to a split's captures.

``page.html`` needs nothing else to be read, kept and sent; ``page.json`` has the same as data. Both
are written to the run's folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.config import GuardSettings
from agent.errors import OutputError
from training.errors import CorpusError, RunError
from training.gateway.corpus import Capture, Corpus, digest
from training.gateway.fates import Fates, fates
from training.gateway.library import recordings_of
from training.gateway.measures import (
    Family,
    Odds,
    Reliability,
    Tradeoff,
    families,
    family,
    odds,
    reliability,
    stopped_at,
    tradeoff,
)
from training.gateway.policy import Chooser, read
from training.gateway.rewards import COMPONENTS
from training.gateway.train import CHECKPOINT
from training.provenance import sha256
from training.report import Columns, read_metrics
from training.run import RESULT, SETTINGS

PAGE: Final = "page.html"
DATA: Final = "page.json"
_LEARNING: Final = ("steps", "return", "validation", "entropy", "mask", "auxiliary", *COMPONENTS)


@dataclass(frozen=True, slots=True)
class Source:
    """Captures of one corpus, at least one.

    Attributes:
        manifest: of the corpus.
        folder: the corpus's.
        captures: those that are replayed.
    """

    manifest: Path
    folder: Path
    captures: Sequence[Capture]


@dataclass(frozen=True, slots=True)
class GuardFloor:
    """What the guard's least probability of a block would stop, were it the only thing that counts.

    Attributes:
        floor: the probability.
        benign, malicious: shares of flows.
    """

    floor: float
    benign: float
    malicious: float


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that the page shows.

    Attributes:
        run: name of the folder.
        network: SHA-256 of its network.
        asked, begun, result: the run's files.
        split: whose captures were replayed, or all.
        corpora: of each its manifest, the manifest's SHA-256, and how many captures were replayed.
        learning: metrics of the run.
        malicious, benign: families by name.
        all_malicious, all_benign: all of them together; None where there is no such flow.
        calibration: of the probabilities of block and isolate at decision points.
        tradeoff: malicious flows against legitimate ones, as the least probability moves.
        guard: where the guard's default stands on it.
    """

    run: str
    network: str
    asked: Mapping[str, Any]
    begun: Mapping[str, Any]
    result: Mapping[str, Any]
    split: str
    corpora: Sequence[Mapping[str, Any]]
    learning: Columns
    malicious: Mapping[str, Family]
    benign: Mapping[str, Family]
    all_malicious: Family | None
    all_benign: Family | None
    calibration: Reliability | None
    tradeoff: Tradeoff | None
    guard: GuardFloor | None


def write_page(
    run: Path,
    corpora: Sequence[Path] | None = None,
    folders: Sequence[Path] | None = None,
    *,
    split: str = "held-out",
    cache: Path,
    processes: int = 1,
    progress: Callable[[int, int], object] = lambda done, size: None,
) -> dict[str, Any]:
    """Replay a split's captures with a run's network, and write what came of it beside the run.

    Args:
        run: the folder of a run that has ended.
        corpora: manifests; those of the run if left out.
        folders: of the corpora, one each; else the manifests', or as the run had them.
        split: whose captures are replayed, or ``all``.
        cache: of recordings.
        processes: that make recordings.
        progress: told after each capture how many were replayed, and how many there are.

    Returns:
        What ``page.json`` holds.

    Raises:
        RunError: no run has ended in the folder.
        StudyError: its metrics cannot be read.
        PolicyError: its network cannot be read.
        CorpusError: a corpus cannot be used, a capture is missing, or none is for the split.
        CaptureError: a capture cannot be read.
        LabelError: its labels cannot be used.
        OutputError: the page cannot be written.
    """
    from training.gateway.page_html import render

    files = _files_of(run)
    if corpora is None:
        asked = files[SETTINGS]["asked"]
        corpora, folders = [*map(Path, asked["corpora"])], folders or [*map(Path, asked["folders"])]
    sources = _sources(corpora, folders or [manifest.parent for manifest in corpora], split)
    content = _content(run, files, sources, split, cache, processes, progress)
    data = as_json(content)
    _write(run / PAGE, render(content))
    _write(run / DATA, json.dumps(data, indent=1) + "\n")
    return data


def as_json(content: Content) -> dict[str, Any]:
    """The page as JSON can hold it: what is not a number is null."""
    found: dict[str, Any] = _plain(asdict(content))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _files_of(run: Path) -> dict[str, dict[str, Any]]:
    """Settings and result of a run that has ended."""
    if not (run / SETTINGS).is_file():
        raise RunError(f"{run}: no run is there; name the folder of `sluice-train gateway train`")
    if not (run / RESULT).is_file():
        raise RunError(f"{run}: the run has not ended; the command that began it goes on with it")
    if not (run / CHECKPOINT).is_file():
        raise RunError(f"{run}: has no {CHECKPOINT}; name the run of a gateway's policy")
    try:
        return {name: json.loads((run / name).read_text()) for name in (SETTINGS, RESULT)}
    except (OSError, ValueError) as error:
        raise RunError(f"{run}: its settings or its result cannot be read ({error})") from error


def _sources(corpora: Sequence[Path], folders: Sequence[Path], split: str) -> list[Source]:
    """Captures of a split, all of which are there."""
    sources = []
    for manifest, folder in zip(corpora, folders, strict=True):
        captures = [c for c in Corpus.load(manifest).capture if split in (c.split, "all")]
        if captures:
            sources.append(Source(manifest, folder, captures))
    if not sources:
        raise CorpusError(f"no capture is for {split}: {', '.join(map(str, corpora))}")
    paths = [source.folder / each.path for source in sources for each in source.captures]
    if missing := [path for path in paths if not path.is_file()]:
        raise CorpusError(
            f"{len(missing)} of {len(paths)} captures are missing, {missing[0]} for one;"
            " `sluice-train corpus fetch`, or say --folder"
        )
    return sources


def _content(
    run: Path,
    files: Mapping[str, Mapping[str, Any]],
    sources: Sequence[Source],
    split: str,
    cache: Path,
    processes: int,
    progress: Callable[[int, int], object],
) -> Content:
    policy = Chooser(read(run / CHECKPOINT)[0])
    replayed = _replayed(sources, policy, progress)
    recordings = [
        recorded.recording
        for source in sources
        for recorded in recordings_of(source.captures, source.folder, cache, processes=processes)
    ]
    if not recordings:
        raise CorpusError(f"no flow can be followed in any capture that is for {split}")
    sure = odds(policy, recordings)
    metrics = read_metrics(run)
    return Content(
        run=run.resolve().name,
        network=sha256(run / CHECKPOINT),
        asked=files[SETTINGS]["asked"],
        begun=files[SETTINGS]["begun"],
        result=files[RESULT],
        split=split,
        corpora=[
            {
                "manifest": str(source.manifest),
                "sha256": digest(source.manifest),
                "captures": len(source.captures),
            }
            for source in sources
        ],
        learning={name: metrics[name] for name in _LEARNING if name in metrics},
        malicious=families(replayed, True),
        benign=families(replayed, False),
        all_malicious=_all(replayed, True),
        all_benign=_all(replayed, False),
        calibration=reliability(sure.points, sure.guilty),
        tradeoff=tradeoff(sure),
        guard=_guard_floor(sure),
    )


def _replayed(
    sources: Sequence[Source], policy: Chooser, progress: Callable[[int, int], object]
) -> Fates:
    size, done = sum(len(source.captures) for source in sources), 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress(done, size)

    parts = [fates(each.captures, each.folder, policy, advance=advance) for each in sources]
    return Fates.joined(parts)


def _all(replayed: Fates, malicious: bool) -> Family | None:
    side = replayed.malicious == malicious
    return family(replayed, side) if side.any() else None


def _guard_floor(sure: Odds) -> GuardFloor | None:
    """None where flows are all malicious, or none is."""
    if sure.malicious.all() or not sure.malicious.any():
        return None
    floor = GuardSettings().min_block
    sides = (sure.flows[sure.malicious == side] for side in (False, True))
    return GuardFloor(floor, *(stopped_at(np.array([floor]), side)[0] for side in sides))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
