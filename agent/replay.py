"""Replay: captures in, a report out. The same engine as on the box, with a dry run behind it."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.capture.files import CaptureReader, open_capture
from agent.config import Settings
from agent.decision import VERDICTS, Decisions
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.labels import FlowLabels
from agent.policy import Policy
from agent.tally import Family, Tally, total


TABLES = ("flows", "hosts", "pairs", "rules")


@dataclass(slots=True)
class CaptureResult:
    """One capture's replay."""

    path: Path
    tally: Tally
    packets: int = 0
    bytes: int = 0
    undecoded: Counter[str] = field(default_factory=Counter)
    damage: str | None = None
    flows: int = 0
    hosts: int = 0
    evictions: Counter[str] = field(default_factory=Counter)
    labelled: bool = False


@dataclass(slots=True)
class Replay:
    """The replay of some captures under one policy, each with tables of its own."""

    policy: Policy
    captures: list[CaptureResult]
    seconds: float
    cpu_seconds: float

    def as_json(self) -> dict[str, object]:
        """The report as ``--json`` prints it; counts over all captures."""
        packets = sum(c.packets for c in self.captures)
        undecoded = sum((c.undecoded for c in self.captures), Counter[str]())
        evictions = sum((c.evictions for c in self.captures), Counter[str]())
        guarded = sum((c.tally.guarded for c in self.captures), Counter[str]())
        rules = sum((c.tally.rules for c in self.captures), Counter[str]())
        report: dict[str, object] = {
            "captures": [str(c.path) for c in self.captures],
            "packets": packets,
            "bytes": sum(c.bytes for c in self.captures),
            "undecoded": dict(undecoded.most_common()),
            "damaged": [c.damage for c in self.captures if c.damage],
            "flows": sum(c.flows for c in self.captures),
            "hosts": sum(c.hosts for c in self.captures),
            "evictions": {table: evictions[table] for table in TABLES},
            "decision_points": sum(c.tally.points for c in self.captures),
            "verdicts": _by_name([c.tally.applied for c in self.captures]),
            "proposed": _by_name([c.tally.proposed for c in self.captures]),
            "guarded": dict(guarded.most_common()),
            "rules": {name: rules[name] for name in VERDICTS[1:]},
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "packets_per_second": packets / self.seconds if self.seconds else 0.0,
            "peak_rss_bytes": peak_rss_bytes(),
            "policy": {
                "name": self.policy.bundle.manifest.name,
                "kind": self.policy.bundle.manifest.kind,
                "sha256": self.policy.bundle.digest,
                "path": str(self.policy.bundle.path),
            },
        }
        if any(c.labelled for c in self.captures):
            report |= self._labelled()
        return report

    def families(self) -> dict[str, Family]:
        """Malicious families over all captures."""
        return _merged([c.tally.families for c in self.captures])

    def benign(self) -> dict[str, Family]:
        """Benign families over all captures."""
        return _merged([c.tally.benign for c in self.captures])

    def _labelled(self) -> dict[str, object]:
        unlabelled = sum(c.tally.unlabelled.flows for c in self.captures if c.labelled)
        return {
            "families": {name: family_json(f) for name, f in sorted(self.families().items())},
            "benign": family_json(total(self.benign())),
            "benign_families": {name: family_json(f) for name, f in sorted(self.benign().items())},
            "unlabelled_flows": unlabelled,
        }


def replay(
    captures: list[tuple[Path, FlowLabels | None]],
    settings: Settings,
    policy: Policy,
    progress: Callable[[int, int], None] = lambda done, size: None,
) -> Replay:
    """Replay captures one by one; damage inside one ends it, with what came before kept.

    ``progress`` is told the bytes done and the bytes in all.

    Raises:
        CaptureError: a file cannot be opened, or is no capture.
    """
    started, started_cpu = time.perf_counter(), time.process_time()
    sizes = [path.stat().st_size if path.is_file() else 0 for path, _ in captures]
    results: list[CaptureResult] = []

    def advance(done: int) -> None:
        progress(sum(sizes[: len(results)]) + done, sum(sizes))

    for path, labels in captures:
        results.append(replay_one(path, labels, settings, policy, advance))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    return Replay(policy, results, seconds, cpu_seconds)


def replay_one(
    path: Path,
    labels: FlowLabels | None,
    settings: Settings,
    policy: Policy,
    progress: Callable[[int], None] = lambda done: None,
) -> CaptureResult:
    """Replay one capture with fresh tables."""
    tally = Tally(labels)
    result = CaptureResult(path, tally, labelled=labels is not None)
    engine = Engine(settings, policy, Recorder())
    with open_capture(path) as reader:
        for decisions in steps(reader, engine, progress):
            tally.add(decisions)
            tally.end(engine.table.ended[: engine.table.n_ended])
    table = engine.table
    result.packets, result.bytes = reader.packets, reader.bytes
    result.undecoded = reader.undecoded
    result.damage = str(reader.damage) if reader.damage else None
    result.flows = table.flows
    result.evictions = Counter(
        flows=table.evictions,
        hosts=table.hosts.evictions,
        pairs=table.pairs.evictions,
        rules=table.rules.evictions,
    )
    result.hosts = table.hosts.index.size + table.hosts.evictions
    return result


def steps(
    reader: CaptureReader, engine: Engine, progress: Callable[[int], None] = lambda done: None
) -> Iterator[Decisions]:
    """All steps of an engine over a capture, the last ones those that end the living flows."""
    named = 0
    for batch in reader.batches():
        if len(reader.interfaces) != named:
            engine.name_interfaces([interface.name for interface in reader.interfaces])
            named = len(reader.interfaces)
        yield from engine.feed(batch)
        progress(reader.position)
    yield from engine.finish()


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
    """Largest resident set of this process so far (Linux counts in KiB, getrusage(2))."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def _quantiles(values: NDArray[np.float64]) -> dict[str, float] | None:
    if len(values) == 0:
        return None
    p50, p90, p99, largest = np.quantile(values, (0.5, 0.9, 0.99, 1.0))
    return {"p50": float(p50), "p90": float(p90), "p99": float(p99), "max": float(largest)}


def _by_name(counts: list[NDArray[np.int64]]) -> dict[str, int]:
    return {name: int(sum(c[i] for c in counts)) for i, name in enumerate(VERDICTS)}


def _merged(groups: list[dict[str, Family]]) -> dict[str, Family]:
    merged: dict[str, Family] = {}
    for group in groups:
        for name, family in group.items():
            merged.setdefault(name, Family()).merge(family)
    return merged
