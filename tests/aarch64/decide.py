"""One side of the comparison: ``python decide.py OUT.npz RUNNER CAPTURE…`` on whatever CPU this is.

Replays captures under the default policy, twice: by the ``sluice replay`` command, for its report,
and step by step, for every decision point's observation, logits and verdicts. The latter go to
OUT.npz, all else to standard output as one line of JSON. Only the agent and numpy are needed, so
that the same file runs inside the root.
"""

from __future__ import annotations

import io
import json
import platform
import sys
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("points", "observations", "logits", "proposed", "applied", "reasons")
NOT_IN_BUNDLE = "skipped: no policy.npz"
_RULE = 9  # numbers that a rule is written as


def decisions(capture: Path, runner: str) -> dict[str, NDArray[Any]]:
    """`COLUMNS` of every decision point of a capture in order, and ``rules``.

    A rule is a row of `_RULE` uint64: its decision point's index, whom it names, verdict and times.
    """
    from agent.bundle import Bundle
    from agent.capture.files import open_capture
    from agent.config import RunnerChoice, Settings
    from agent.enforce.record import Recorder
    from agent.engine import Engine
    from agent.policy import Policy
    from agent.replay import steps

    settings = Settings()
    engine = Engine(settings, Policy(Bundle.default(), cast(RunnerChoice, runner)), Recorder())
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in COLUMNS}
    rules: list[tuple[int, ...]] = []
    before = 0
    with open_capture(capture) as reader:
        for step in steps(reader, engine):
            for name, parts in columns.items():
                parts.append(getattr(step, name).copy())
            rules += [
                (before + row, *rule.key, rule.verdict, rule.since_ns, rule.until_ns)
                for row, rule in sorted(step.rules.items())
            ]
            before += len(step.points)
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    return arrays | {"rules": np.array(rules, np.uint64).reshape(-1, _RULE)}


def report(capture: Path, runner: str) -> dict[str, Any]:
    """What ``sluice replay CAPTURE --json`` prints."""
    from agent.cli import app

    with redirect_stdout(io.StringIO()) as output:
        app(["replay", str(capture), "--json", "--runner", runner], standalone_mode=False)
    result: dict[str, Any] = json.loads(output.getvalue())
    return result


def side() -> dict[str, Any]:
    """What the results depend on beside the code."""
    import agent.capture.parser
    import agent.flows.observer

    kernels = (agent.capture.parser, agent.flows.observer)
    names = {"avx2", "avx512_vnni", "avx_vnni", "asimd", "asimdhp", "asimddp"}
    said = Path("/proc/cpuinfo").read_text().splitlines()
    offered = {word for line in said if line.startswith(("flags", "Features")) for word in
               line.partition(":")[2].split()}  # fmt: skip
    return {
        "machine": platform.machine(),
        "offered": sorted(offered & names),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "onnxruntime": version("onnxruntime"),
        "compiled": all(str(module.__file__).endswith(".so") for module in kernels),
    }


def main() -> None:
    """Replay everything that the command line names."""
    from agent.bundle import Bundle
    from agent.report import peak_rss_bytes

    out, runner, *captures = sys.argv[1:]
    answer: dict[str, Any] = {"side": side()}
    if runner == "numpy" and Bundle.default().npz is None:
        print(json.dumps(answer | {"skipped": NOT_IN_BUNDLE}))
        return
    arrays: dict[str, NDArray[Any]] = {}
    answer["reports"] = {}
    for capture in map(Path, captures):
        answer["reports"][capture.name] = report(capture, runner)
        for name, array in decisions(capture, runner).items():
            arrays[f"{capture.name}/{name}"] = array
    np.savez(out, allow_pickle=False, **arrays)
    print(json.dumps(answer | {"peak_rss_bytes": peak_rss_bytes()}))


if __name__ == "__main__":
    main()
