"""What every step needs: programs of the machine, a log of what they said, and two errors."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "qemu-aarch64-static": "qemu-user-static",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "unshare": "util-linux",
    "chroot": "coreutils",
}  # Debian's, by program


class Missing(Exception):
    """The machine lacks something; the message says what, and how to get it."""


class Failed(Exception):
    """A step did not succeed; the message says which, and where its log is."""


def need_programs(programs: Sequence[str]) -> None:
    """Make sure that programs are there.

    Raises:
        Missing: names all that are not, and the command that installs them.
    """
    absent = [program for program in programs if shutil.which(program) is None]
    if absent:
        packages = sorted({PACKAGES[program] for program in absent})
        raise Missing(f"no {', '.join(absent)} here: apt-get install {' '.join(packages)}")


def run_logged(
    what: str,
    command: Sequence[str | Path],
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a command with all that it says in a file.

    Raises:
        Failed: it exits with an error.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        done = subprocess.run(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise Failed(f"{what} failed (exit {done.returncode}): {last_line(log)!r}; see {log}")


def last_line(log: Path) -> str:
    """What a log ends with, blank lines aside."""
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


@contextmanager
def step(what: str, seconds: dict[str, float]) -> Iterator[None]:
    """Say on standard error what is being done; ``seconds`` is told what it took."""
    print(f"{what} …", file=sys.stderr, flush=True)
    begun = time.perf_counter()
    yield
    seconds[what] = round(time.perf_counter() - begun, 1)
    print(f"{what}: {seconds[what]} s", file=sys.stderr, flush=True)


def made(stamp: Path, wanted: str, result: Path) -> bool:
    """Whether an earlier run left exactly what is wanted."""
    return result.exists() and stamp.is_file() and stamp.read_text() == wanted


@contextmanager
def making(stamp: Path, wanted: str, result: Path) -> Iterator[None]:
    """Make a folder anew; the stamp appears when that is done, so that half of it never counts."""
    stamp.unlink(missing_ok=True)
    shutil.rmtree(result, ignore_errors=True)
    result.parent.mkdir(parents=True, exist_ok=True)
    yield
    stamp.write_text(wanted)
