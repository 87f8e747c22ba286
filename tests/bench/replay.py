"""Packets per CPU second, ours beside other readers': ``python -m tests.bench.replay``.

Makes a capture of two million packets (``mix.py``), hands it to each contestant, a process of its
own on one core, and prints one line of JSON: the median of three runs each, taken in turns. CPU is
user and system time of the process and its children (``wait4``); the peak is the resident memory of
the largest of them, mapped file included.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from tests.bench.machine import machine

ROOT = Path(__file__).parents[2]
OURS = ("ours_decode", "ours_observe", "ours_decide")
PEERS = ("nfstream", "dpkt", "scapy", "softflowd", "nfpcapd", "argus")

Command = list[str]
Result = dict[str, Any]


def commands(capture: Path, scratch: Path, port: int, peers: Path | None) -> dict[str, Command]:
    """How to start each contestant that is installed; softflowd exports to ``port``."""
    file, python = str(capture), [sys.executable, "-m"]
    reader = [*python, "tests.bench.readers"]
    found = {
        "ours_decode": [*reader, "decode", file],
        "ours_observe": [*reader, "observe", file],
        "ours_decide": [*python, "agent.cli", "replay", file, "--json"],
    }
    if interpreter := _nfstream_interpreter(peers):
        found["nfstream"] = [interpreter, *reader[1:], "nfstream", file]
    found |= {name: [*reader, name, file] for name in ("dpkt", "scapy") if find_spec(name)}
    # Reading a file, softflowd 1.1.0 can block for ever on its control socket: none, then.
    alone = ["-c", "none", "-p", str(scratch / "pid")]
    programs = {
        "softflowd": ["-r", file, "-d", "-m", "1000000", "-n", f"127.0.0.1:{port}", *alone],
        "nfpcapd": ["-r", file, "-w", str(scratch)],
        "argus": ["-F", os.devnull, "-r", file, "-w", os.devnull],
    }
    return found | {
        name: [program, *options]
        for name, options in programs.items()
        if (program := shutil.which(name))
    }


def _nfstream_interpreter(peers: Path | None) -> str | None:
    """A Python that has NFStream: this one, or that of an environment made in ``peers``."""
    if find_spec("nfstream"):
        return sys.executable
    if peers is None:
        return None
    python = peers.absolute() / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", peers], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "nfstream"], check=True)
    return str(python)


def measure(command: Command, limit: float) -> Result:
    """Run a contestant to its end, or for ``limit`` seconds of wall clock."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=errors, start_new_session=True
        )
        timer = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)  # Popen shall not wait again
        result: Result = {
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
            "wall_seconds": round(time.perf_counter() - begun, 3),
            "peak_rss_mib": round(usage.ru_maxrss / 1024, 1),
        }
        if process.returncode == 0:
            return result | _counts(_last_line(output))
        if result["wall_seconds"] >= limit:
            return result | {"error": f"stopped at the limit of {limit:g} s"}
        return result | {"error": _last_line(errors) or f"exit status {process.returncode}"}


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _counts(line: str) -> Result:
    """Packets and flows, of a contestant whose last line is JSON that has them."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    known = said if isinstance(said, dict) else {}
    return {key: known[key] for key in ("packets", "flows") if isinstance(known.get(key), int)}


def make_capture(path: Path, packets: int, seed: int) -> Result:
    """In a process of its own: this one's memory would count as its children's."""
    command = [sys.executable, "-m", "tests.bench.mix", str(path)]
    command += ["--packets", str(packets), "--seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    summary: Result = json.loads(done.stdout)
    return summary


def warm(capture: Path) -> None:
    """Read a file, so that nobody is charged for fetching it from the disk."""
    with capture.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def contest(
    names: list[str], packets: int, capture: Path, big: dict[str, Command],
    one: dict[str, Command], rounds: int, limit: float,
) -> dict[str, Result]:  # fmt: skip
    """Each contestant's median run on the big capture; ours also less those on a single packet.

    The contestants take turns, so that a machine that is slow for a while is slow for all.
    """
    runs: dict[str, list[Result]] = {name: [] for name in names}
    startups: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names:
            if name not in big:
                runs[name] = [{"error": "not installed"}]
                continue
            print(f"round {turn + 1} of {rounds}: {name}", file=sys.stderr)
            warm(capture)
            runs[name].append(measure(big[name], limit))
            if name in OURS:
                startups[name].append(measure(one[name], limit)["cpu_seconds"])
    return {name: _summary(runs[name], startups[name], packets) for name in names}


def _summary(runs: list[Result], startups: list[float], packets: int) -> Result:
    """The median run by CPU time, or the first that failed."""
    for run in runs:
        if "error" in run:
            return run
    ranked = sorted(runs, key=lambda run: run["cpu_seconds"])
    result = ranked[len(ranked) // 2]
    result["all_cpu_seconds"] = [run["cpu_seconds"] for run in runs]
    result["packets_per_cpu_second"] = round(packets / result["cpu_seconds"])
    if startups:
        startup = sorted(startups)[len(startups) // 2]
        rest = result["cpu_seconds"] - startup
        result["startup_cpu_seconds"] = startup
        result["packets_per_cpu_second_without_startup"] = (
            round(packets / rest) if rest > 0 else None
        )
    return result


def ratios(results: dict[str, Result]) -> dict[str, dict[str, float]]:
    """How many times a peer's packets per CPU second each of our stages does."""
    speed = {
        name: result["packets_per_cpu_second"]
        for name, result in results.items()
        if "packets_per_cpu_second" in result
    }
    return {
        ours: {peer: round(speed[ours] / speed[peer], 2) for peer in PEERS if peer in speed}
        for ours in OURS
        if ours in speed
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path, metavar="PATH", help="leave the capture there")
    parser.add_argument("--only", metavar="A,B", help=f"of ours, {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=3, help="runs each; the median counts")
    parser.add_argument("--limit", type=float, default=600, help="seconds for each contestant")
    parser.add_argument("--peers-venv", type=Path, metavar="DIR", help="install NFStream there")
    return parser.parse_args()


def main() -> None:
    """Run the contest and print its JSON."""
    args = arguments()
    wanted = args.only.split(",") if args.only else ["ours", *PEERS]
    names = [name for name in OURS + PEERS if name in wanted or name.split("_")[0] in wanted]
    loaded = machine()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # children inherit it
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unread,
    ):
        unread.bind(("127.0.0.1", 0))
        port, scratch = unread.getsockname()[1], Path(folder)
        files = ((args.keep or scratch / "mix.pcap").absolute(), scratch / "one.pcap")
        print(f"making {files[0]}", file=sys.stderr)
        mix, _ = (
            make_capture(file, packets, args.seed)
            for file, packets in zip(files, (args.packets, 1), strict=True)
        )
        peers = args.peers_venv if "nfstream" in names else None
        big, one = (commands(file, scratch, port, peers) for file in files)
        results = contest(names, mix["packets"], files[0], big, one, args.rounds, args.limit)
    report = {"mix": mix | {"seed": args.seed}, "machine": loaded, "contestants": results}
    print(json.dumps(report | {"ratios": ratios(results)}))


if __name__ == "__main__":
    main()
