"""The same verdicts on ARM: ``python -m tests.aarch64.replay`` (``make test-aarch64``), as root.

Makes an arm64 Debian root, puts the dependencies' aarch64 wheels and our own (cross-compiled) into
it, replays captures there under an emulator, replays them here, and compares every decision. What
was made is kept in a folder and made again only where it changed. Exit 0: the same; 1: not, or it
could not be done. Nothing here says how fast a device is: an emulator is not one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.aarch64 import compare, decide
from tests.aarch64.guest import PARTS, QEMU, Guest, environment, make_guest, said
from tests.aarch64.root import Root, make_root
from tests.aarch64.sources import source_lines
from tests.aarch64.staging import PROJECT
from tests.aarch64.summary import print_summary
from tests.aarch64.tools import Failed, Missing, need_programs, step
from tests.aarch64.wheel import COMPILER, compiler, install_dependencies, install_ours

RUNNERS = ("onnxruntime", "numpy")
CPUS = ("cortex-a53", "cortex-a76")  # without and with the dot products of ARMv8.2
PROGRAMS = ("mmdebstrap", QEMU, COMPILER, "unshare", "chroot")


def make(args: argparse.Namespace, seconds: dict[str, float]) -> tuple[Root, dict[str, Any]]:
    """The root with everything in it, and what that is."""
    need_programs(PROGRAMS)
    if os.geteuid() != 0:
        raise Missing("making a root and entering it need chroot and mounts: run this as root")
    with step("Debian root", seconds):
        root = make_root(args.folder, args.suite, source_lines(args.suite, args.mirror))
    with step("dependencies' wheels", seconds):
        install_dependencies(root, args.folder)
    with step("our wheel", seconds):
        wheel = install_ours(root, args.folder)
    qemu = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True)
    made = {"suite": args.suite, "wheel": wheel, "compiler": compiler()}
    return root, made | {"emulator": qemu.stdout.splitlines()[0]}


def replay_here(runner: str, captures: list[Path], folder: Path) -> tuple[dict[str, Any], Path]:
    """This machine's answer and arrays."""
    out, log = folder / f"here-{runner}.npz", folder / f"here-{runner}.log"
    names = [str(capture.absolute()) for capture in captures]
    command = [sys.executable, decide.__file__, str(out), runner, *names]
    return said("the replay here", command, environment(str(PROJECT)), log), out


def replay_there(
    guest: Guest, runner: str, captures: list[Path], folder: Path
) -> tuple[dict[str, Any], Path]:
    """The guest's answer and arrays."""
    shared = guest.root.path / "srv"
    shared.mkdir(exist_ok=True)
    for path in (Path(decide.__file__), *captures, *filter(Path.is_file, map(labels, captures))):
        shutil.copy(path, shared)
    out = shared / "out.npz"
    out.unlink(missing_ok=True)
    names = [f"/srv/{capture.name}" for capture in captures]
    log = folder / f"{guest.cpu}-{runner}.log"
    answer = guest.python(["/srv/decide.py", "/srv/out.npz", runner, *names], log)
    there = answer["side"]
    if there["machine"] != "aarch64" or not there["compiled"]:
        raise Failed(f"the guest is not what it should be, aarch64 with compiled kernels: {there}")
    return answer, out


def labels(capture: Path) -> Path:
    """Those beside a sample: they are a part of the report."""
    return capture.with_suffix(".labels.csv")


def compared(
    here: tuple[dict[str, Any], Path], there: tuple[dict[str, Any], Path], captures: list[Path]
) -> dict[str, Any]:
    """Both sides of one runner on one CPU."""
    (ours, our_file), (theirs, their_file) = here, there
    result: dict[str, Any] = {"guest": theirs["side"]}
    if skipped := ours.get("skipped") or theirs.get("skipped"):
        return result | {"skipped": skipped}
    differences = {}
    with np.load(our_file) as a, np.load(their_file) as b:
        for name in (capture.name for capture in captures):
            columns = [*decide.COLUMNS, "rules"]
            sides = [{key: side[f"{name}/{key}"] for key in columns} for side in (a, b)]
            differences[name] = compare.compare(
                *sides, ours["reports"][name], theirs["reports"][name]
            )
    return result | {
        "captures": {name: each.as_json() for name, each in differences.items()},
        "total": compare.total([*differences.values()]).as_json(),
        "peak_rss_bytes_here": ours["peak_rss_bytes"],
        "peak_rss_bytes_of_the_emulator": theirs["peak_rss_bytes"],
    }


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All of it; ``same`` says how it ended."""
    seconds: dict[str, float] = {}
    root, made = make(args, seconds)
    here = {runner: replay_here(runner, args.captures, args.folder) for runner in RUNNERS}
    runs: list[dict[str, Any]] = []
    for cpu in args.cpu or CPUS:
        guest = make_guest(root, cpu, Path(str(shutil.which(QEMU))), args.folder)
        for runner in RUNNERS:
            with step(f"replay on {cpu} by {runner}", seconds):
                there = replay_there(guest, runner, args.captures, args.folder)
            result = compared(here[runner], there, args.captures)
            runs.append({"cpu": cpu, "runner": runner} | result)
    same = all(each["total"]["same"] for each in runs if "total" in each)
    ours = {"here": here[RUNNERS[0]][0]["side"], "runs": runs}
    return {"same": same, **made, **ours, "seconds_of_this_script": seconds}


def arguments() -> argparse.Namespace:
    """The command line."""
    samples = sorted((PROJECT / "tests" / "captures").glob("*.pcap"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("captures", nargs="*", type=Path, default=samples)
    parser.add_argument("--suite", default="bookworm", help="the Debian release")
    parser.add_argument("--mirror", default=os.environ.get("MIRROR"), help="else the machine's")
    parser.add_argument("--cpu", action="append", choices=PARTS, help=f"else {', '.join(CPUS)}")
    parser.add_argument("--folder", type=Path, default=PROJECT / "out" / "aarch64")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    args.folder = args.folder.absolute()
    return args


def main() -> None:
    """Compare, and say how it came out."""
    args = arguments()
    try:
        result = run(args)
    except (Missing, Failed) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    if args.json:
        print(json.dumps(result))
    else:
        print_summary(result)
    raise SystemExit(0 if result["same"] else 1)


if __name__ == "__main__":
    main()
