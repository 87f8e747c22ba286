"""A training run in a folder: settings, metrics, checkpoints that it resumes from, and an end.

::

    settings.json    what was asked for, with the commit and the machine
    curve.svg        the metrics, drawn at the end
    metrics.csv      a row for each iteration
    resume.pt        everything to go on bit for bit; gone when the run has ended
    result.json      how it ended
"""

from __future__ import annotations

import csv
import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final, Protocol

import torch

from training.errors import RunError
from training.provenance import commit, machine
from training.report import METRICS, plot_run
from training.settings import Ending
from training.signatures import Watch

SETTINGS: Final = "settings.json"
RESUME: Final = "resume.pt"
RESULT: Final = "result.json"
_log = logging.getLogger(__name__)
_LAST: Final = 10  # iterations that the result's return is the mean of


class Learner(Protocol):
    """What learns in a run, an iteration at a time.

    Attributes:
        steps_done: environment steps so far.
        generator: the only source of chance; everything lives on its device.
    """

    steps_done: int
    generator: torch.Generator

    @property
    def progress(self) -> float:
        """Share of the run that is done; at 1 it has ended."""

    def iterate(self) -> dict[str, float]:
        """Learn some more.

        Returns:
            Metrics, the same ones each time; at least ``steps``, those done, and ``return``, the
            mean of the episodes that ended (not a number if none did).
        """

    def state_dict(self) -> dict[str, Any]:
        """Everything that it needs to go on bit for bit."""

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where another learner with the same settings was."""


def levelled_off(ending: Ending, returns: deque[float]) -> bool:
    """Whether the latest window's mean is hardly better than that of the window before."""
    if not ending.window or len(returns) < 2 * ending.window:
        return False
    values = list(returns)[-2 * ending.window :]
    before = math.fsum(values[: ending.window]) / ending.window
    after = math.fsum(values[ending.window :]) / ending.window
    return after - before < ending.tolerance * abs(before)


def run(
    learner: Learner,
    folder: Path,
    about: dict[str, Any],
    *,
    ending: Ending | None = None,
    save_every: float = 60.0,
    show: Callable[[dict[str, float]], object] = lambda _: None,
    finish: Callable[[dict[str, Any]], object] = lambda _: None,
) -> dict[str, Any]:
    """Train to the end, going on from ``folder`` if a run with the same settings was cut off there.

    Args:
        learner: at its start.
        folder: made if need be.
        about: all settings, as JSON can hold them.
        ending: when to stop early.
        save_every: seconds between checkpoints.
        show: called with every row of metrics.
        finish: called with the result before the folder says that the run has ended.

    Returns:
        ``steps``, ``return`` (the mean of the last ten iterations'), ``seconds`` of training in
        all, parts before a cut included, ``levelled_off``, ``signatures`` (those of failure, with
        the steps after which they first showed), ``commit`` and ``machine``.

    Raises:
        RunError: the folder holds a run with other settings or other metrics, or one that has
            ended.
    """
    ending = ending or Ending()
    origin = {"commit": commit(), "machine": machine(learner.generator.device)}
    _claim(folder, about, origin)
    returns: deque[float] = deque(maxlen=max(2 * ending.window, _LAST))
    watch = Watch()
    begun = time.monotonic() - _resume(folder, learner, returns, watch)

    def shown(row: dict[str, float]) -> None:
        for line in watch.look(row):
            _log.warning("%s: %s", folder, line)
        show(row)

    levelled = _train(learner, folder, begun, ending, returns, save_every, shown)
    last = list(returns)[-_LAST:]
    result = {
        "steps": learner.steps_done,
        "return": math.fsum(last) / len(last) if last else None,
        "seconds": round(time.monotonic() - begun, 1),
        "levelled_off": levelled,
        "signatures": watch.seen,
        **origin,
    }
    finish(result)
    plot_run(folder)
    _write_json(folder / RESULT, result)
    (folder / RESUME).unlink(missing_ok=True)
    return result


def _train(
    learner: Learner,
    folder: Path,
    begun: float,
    ending: Ending,
    returns: deque[float],
    save_every: float,
    show: Callable[[dict[str, float]], object],
) -> bool:
    """Iterate to the end, adding to ``returns``; whether they have levelled off."""
    levelled, saved, whole = levelled_off(ending, returns), time.monotonic(), None
    try:
        while learner.progress < 1 and not levelled:
            started, before = time.monotonic(), learner.steps_done
            row = learner.iterate()
            now = time.monotonic()
            row["steps_per_second"] = (learner.steps_done - before) / (now - started)
            row["seconds"] = now - begun
            if not math.isnan(row["return"]):
                returns.append(row["return"])
            levelled = levelled_off(ending, returns)
            # A copy: an interruption finds the run itself in the middle of an iteration. Its row
            # is in it, for the interruption may come before the row is in the file.
            whole = deepcopy(
                {"learner": learner.state_dict(), "returns": list(returns), "row": row}
            )
            _append(folder / METRICS, row)
            show(row)
            if time.monotonic() - saved > save_every:
                _save(folder, whole)
                saved = time.monotonic()
    except KeyboardInterrupt:
        if whole is not None:
            _save(folder, whole)
        raise
    return levelled


def ended(folder: Path, asked: dict[str, Any]) -> bool:
    """Whether a run with these settings has ended there.

    Raises:
        RunError: the folder holds a run with other settings.
    """
    return _begun(folder, asked) and (folder / RESULT).exists()


def _claim(folder: Path, asked: dict[str, Any], origin: dict[str, Any]) -> None:
    """Make the folder this run's, or make sure that it is."""
    if (folder / RESULT).exists():
        raise RunError(f"{folder}: the run there has ended; say another folder, or remove it")
    if not _begun(folder, asked):
        _write_json(folder / SETTINGS, {"asked": asked, "begun": origin})


def _begun(folder: Path, asked: dict[str, Any]) -> bool:
    """Whether a run with these settings has begun there."""
    path = folder / SETTINGS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_text())["asked"] if path.exists() else None
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{folder}: cannot hold a run ({error}); say another folder") from error
    if before not in (None, json.loads(json.dumps(asked))):
        raise RunError(f"{folder}: a run with other settings is there; say another folder")
    return before is not None


def _resume(folder: Path, learner: Learner, returns: deque[float], watch: Watch) -> float:
    """Go on from the last checkpoint, and forget the metrics of what came after it.

    Returns:
        Seconds of training until that checkpoint.
    """
    rows: list[dict[str, Any]] = []
    if (folder / RESUME).exists():
        saved = torch.load(folder / RESUME, map_location="cpu", weights_only=True)
        learner.load_state_dict(saved["learner"])
        returns.extend(saved["returns"])
        (folder / METRICS).touch()
        with (folder / METRICS).open(newline="") as file:
            kept = csv.DictReader(file)
            rows = [row for row in kept if float(row["steps"]) < learner.steps_done]
        rows.append(saved["row"])
    (folder / METRICS).unlink(missing_ok=True)
    for row in rows:
        _append(folder / METRICS, row)
        watch.look({name: float(value) for name, value in row.items()})
    return float(rows[-1]["seconds"]) if rows else 0.0


def _save(folder: Path, whole: dict[str, Any]) -> None:
    unfinished = folder / "resume.part"
    torch.save(whole, unfinished)
    unfinished.replace(folder / RESUME)


def _append(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row; the first one's names are the columns of all."""
    with path.open("a+", newline="") as file:
        file.seek(0)
        columns = next(csv.reader(file), None)
        writer = csv.DictWriter(file, list(row))
        if columns is None:
            writer.writeheader()
        elif columns != list(row):
            raise RunError(f"{path}: rows with other columns are there; say another folder")
        writer.writerow(row)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
