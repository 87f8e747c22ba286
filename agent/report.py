"""The report of a replay as JSON, which other programs read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.decision import VERDICTS
from agent.replay import Replay
from agent.tally import Family, total
from agent.totals import Totals

TABLES = ("flows", "hosts", "values", "pairs", "rules")
ALERTS = ("read", "used", "repeated", "unmatched")


def report_json(replay: Replay) -> dict[str, object]:
    """What ``sluice replay --json`` prints; counts over all captures, sizes in bytes.

    With labels, ``families`` has the malicious ones, ``benign`` the others taken together. With
    alerts, ``alerts`` says what became of them: the other numbers add up to ``read``.
    """
    totals = Totals.of(replay)
    bundle = replay.policy.bundle
    report: dict[str, object] = {
        "captures": [str(c.path) for c in replay.captures],
        "packets": totals.packets,
        "bytes": totals.bytes,
        "undecoded": dict(totals.undecoded.most_common()),
        "damaged": [c.damage for c in replay.captures if c.damage],
        "flows": totals.flows,
        "hosts": totals.hosts,
        "evictions": {table: totals.evictions[table] for table in TABLES},
        "decision_points": totals.points,
        "verdicts": {row.name: row.applied for row in totals.verdicts},
        "proposed": {row.name: row.proposed for row in totals.verdicts},
        "guarded": dict(totals.guarded.most_common()),
        "rules": {row.name: row.rules for row in totals.verdicts if row.name != VERDICTS[0]},
        "seconds": replay.seconds,
        "cpu_seconds": replay.cpu_seconds,
        "packets_per_second": totals.packets / replay.seconds if replay.seconds else 0.0,
        "peak_rss_bytes": peak_rss_bytes(),
        "policy": {
            "name": bundle.manifest.name,
            "kind": bundle.manifest.kind,
            "sha256": bundle.digest,
            "path": str(bundle.path),
        },
    }
    if any(c.alerts for c in replay.captures):
        report["alerts"] = {name: totals.alerts[name] for name in ALERTS}
    if any(c.labelled for c in replay.captures):
        report |= _labelled(replay)
    return report


def _labelled(replay: Replay) -> dict[str, object]:
    families, benign = replay.families(), replay.benign()
    return {
        "families": {name: family_json(f) for name, f in sorted(families.items())},
        "benign": family_json(total(benign)),
        "benign_families": {name: family_json(f) for name, f in sorted(benign.items())},
        "unlabelled_flows": sum(c.tally.unlabelled.flows for c in replay.captures if c.labelled),
    }


def family_json(family: Family) -> dict[str, object]:
    """A family's numbers as JSON; quantiles over its flows."""
    return {
        "flows": family.flows,
        "stopped": family.stopped,
        "throttled": family.throttled,
        "packets": family.packets,
        "packets_passed": family.packets_passed,
        "bytes": family.bytes,
        "bytes_passed": family.bytes_passed,
        "packets_before_verdict": _quantiles(np.array(family.packets_before_verdict, np.float64)),
        "added_latency_ms": _quantiles(np.array(family.latency_ms)),
    }


def peak_rss_bytes() -> int:
    """Largest resident set of this process so far (VmHWM, proc(5)).

    Not getrusage(2), whose figure begins with that of the process which started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024


def _quantiles(values: NDArray[np.float64]) -> dict[str, float] | None:
    if len(values) == 0:
        return None
    p50, p90, p99, largest = np.quantile(values, (0.5, 0.9, 0.99, 1.0))
    return {"p50": float(p50), "p90": float(p90), "p99": float(p99), "max": float(largest)}
