"""The result for people."""

from __future__ import annotations

from typing import Any

_MIB = 1 << 20
_SHOWN = 4


def print_summary(result: dict[str, Any]) -> None:
    """A paragraph of what ran, and a line for each CPU and runner."""
    print(f"{result['wheel']}, by {result['compiler']}; Debian {result['suite']}")
    print(result["emulator"])
    print(f"here: {_side(result['here'])}")
    for run in result["runs"]:
        print(f"{run['cpu']} (emulated), {run['runner']}: {_outcome(run)}")
    print("The same verdicts on both." if result["same"] else "NOT the same on both.")


def _side(side: dict[str, Any]) -> str:
    kernels = "compiled" if side["compiled"] else "uncompiled"
    return (
        f"{side['machine']} offering {', '.join(side['offered']) or 'nothing special'};"
        f" Python {side['python']}, numpy {side['numpy']}, onnxruntime {side['onnxruntime']},"
        f" {side['libc']}, {kernels} kernels"
    )


def _some(paths: list[str]) -> str:
    """The first few; the JSON has all."""
    more = [f"and {len(paths) - _SHOWN} more"] if len(paths) > _SHOWN else []
    return ", ".join([*paths[:_SHOWN], *more]) or "nothing"


def _outcome(run: dict[str, Any]) -> str:
    if "skipped" in run:
        return str(run["skipped"])
    total, memory = run["total"], run["peak_rss_bytes_of_the_emulator"] / _MIB
    lines = [
        f"{len(run['captures'])} captures, {total['decision_points']:,} decision points;"
        f" different: points {total['points']:,}, observed values {total['observations']:,},"
        f" verdicts {total['verdicts']:,}, rules {total['rules']:,},"
        f" report {_some(total['report'])};"
        f" logits {total['logits']:,}, by {total['largest_logit']:.3g} at most",
        f"guest: {_side(run['guest'])}",
        f"peak memory here {run['peak_rss_bytes_here'] / _MIB:.0f} MiB; of the emulator with the"
        f" guest in it {memory:.0f} MiB, which says nothing about a device",
    ]
    lines += [
        f"{name} differs" for name, difference in run["captures"].items() if not difference["same"]
    ]
    return "\n  ".join(lines)
