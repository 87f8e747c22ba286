"""The runs of a study, each in a process of its own: so many at a time, and a cut-off one goes on.

`run_all` is the study's side, `carry_out` that of a run's process.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.errors import SluiceError
from training.errors import StudyError

_GLANCE: Final = 0.1  # seconds between looks at the running processes


@dataclass(frozen=True, slots=True)
class Job:
    """One run: an arm under one seed.

    Attributes:
        folder: of the run; its log and its lock lie beside it.
        module: does the run as ``python -m module``, by `carry_out`.
        order: what it is told, as JSON can hold it.
        done: whether nothing is left to do.
        place: the process's working directory; this one's if left out.
    """

    folder: Path
    module: str
    order: Mapping[str, Any]
    done: bool
    place: Path | None = None

    @property
    def log(self) -> Path:
        """What the run's process complained about."""
        return self.folder.with_suffix(".log")

    def start(self) -> subprocess.Popen[bytes]:
        """Begin the run in its own process."""
        order = json.dumps({"folder": str(self.folder.resolve()), **self.order})
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", self.module, order],
                cwd=self.place, env=os.environ | {"OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                # A terminal's Ctrl-C would reach it a second time, in the middle of its saving.
                start_new_session=True,
            )  # fmt: skip


def run_all(jobs: Sequence[Job], workers: int, show: Callable[[int, int], object]) -> None:
    """Do what has not been done yet, in the order of the jobs.

    An interruption is passed on to the running processes, which save what they have.

    Args:
        jobs: no folder twice.
        workers: processes at a time, each of one thread.
        show: called with the runs that are done, and all.

    Raises:
        StudyError: a run failed; all the others have been run nevertheless.
    """
    waiting = [job for job in jobs if not job.done]
    running: dict[subprocess.Popen[bytes], Job] = {}
    failures: list[str] = []
    try:
        while waiting or running:
            show(len(jobs) - len(waiting) - len(running), len(jobs))
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                running[job.start()] = job
            time.sleep(_GLANCE)
            for process in [process for process in running if process.poll() is not None]:
                job = running.pop(process)
                if process.returncode:
                    failures.append(f"{job.folder}: {_last_line(job.log)}")
    finally:
        _stop(list(running))
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise StudyError(f"a run failed in {failures[0]}{more}; the others are kept")
    show(len(jobs), len(jobs))


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt processes and wait until they have saved."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        process.wait()


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it said nothing")


def carry_out(order: str, run: Callable[[Path, dict[str, Any]], object]) -> int:
    """Do a run in this process.

    Args:
        order: of `Job.start`.
        run: is given the run's folder and what else was ordered.

    Returns:
        0; or 1, after one line, if it cannot be done; or 130 if it was interrupted.
    """
    import torch  # which the study's side can do without

    # Where a shell began us in the background, an interruption would be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    wanted = json.loads(order)
    folder = Path(wanted.pop("folder"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Another study may be at the same run: then this one waits, and finds it done.
        with (folder.parent / f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            run(folder, wanted)
    except (SluiceError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all: a run may be cut off at any time."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text)
    unfinished.replace(path)
