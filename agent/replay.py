"""Replay: captures in, a report out. The same engine as on the box, with a dry run behind it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent.alerts import Alerts
from agent.capture.files import open_capture
from agent.capture.formats import Interface
from agent.capture.packets import PacketBatch
from agent.config import Settings
from agent.decision import Decisions
from agent.enforce.record import Recorder
from agent.engine import Engine, Judge
from agent.labels import Labels
from agent.policy import Policy
from agent.tally import Family, Tally


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
    alerts: Counter[str] = field(default_factory=Counter)  # empty where none were given
    first_ns: int = 0  # of the first and the last packet that was followed
    last_ns: int = 0


@dataclass(slots=True)
class Replay:
    """The replay of some captures under one policy, each with tables of its own."""

    policy: Policy
    captures: list[CaptureResult]
    seconds: float
    cpu_seconds: float

    def families(self) -> dict[str, Family]:
        """Malicious families over all captures."""
        return merged([c.tally.families for c in self.captures])

    def benign(self) -> dict[str, Family]:
        """Benign families over all captures."""
        return merged([c.tally.benign for c in self.captures])


def replay(
    captures: Sequence[tuple[Path, Labels | None]],
    settings: Settings,
    policy: Policy,
    progress: Callable[[int, int], None] = lambda done, size: None,
    alerts: Alerts | None = None,
) -> Replay:
    """Replay captures one by one; damage inside one ends it, with what came before kept.

    ``progress`` is told the bytes done and the bytes in all. Each capture is given the ``alerts``.

    Raises:
        CaptureError: a file cannot be opened, or is no capture.
    """
    started, started_cpu = time.perf_counter(), time.process_time()
    sizes = [path.stat().st_size if path.is_file() else 0 for path, _ in captures]
    results: list[CaptureResult] = []

    def advance(done: int) -> None:
        progress(sum(sizes[: len(results)]) + done, sum(sizes))

    for path, labels in captures:
        results.append(replay_one(path, labels, settings, policy, advance, alerts))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    return Replay(policy, results, seconds, cpu_seconds)


def replay_one(
    path: Path,
    labels: Labels | None,
    settings: Settings,
    policy: Judge,
    progress: Callable[[int], None] = lambda done: None,
    alerts: Alerts | None = None,
) -> CaptureResult:
    """Replay one capture with fresh tables."""
    tally = Tally(labels)
    result = CaptureResult(path, tally, labelled=labels is not None)
    engine = Engine(settings, policy, Recorder(), alerts)
    engine.table.collects_ended = result.labelled
    with open_capture(path) as reader:
        for decisions in steps(reader, engine, progress):
            tally.add(decisions)
            tally.end(engine.table.ended[: engine.table.n_ended])
    table = engine.table
    result.packets, result.bytes = reader.packets, reader.bytes
    result.undecoded = reader.undecoded
    result.damage = str(reader.damage) if reader.damage else None
    result.flows = table.flows
    result.first_ns, result.last_ns = tally.first_ns, table.now_ns
    result.evictions = Counter(
        flows=table.evictions,
        hosts=table.hosts.evictions,
        values=table.hosts.others.evictions,
        pairs=table.pairs.evictions,
        rules=table.rules.evictions,
    )
    if alerts is not None and engine.alerts is not None:
        result.alerts = engine.alerts.account(len(alerts))
    result.hosts = table.hosts.index.size + table.hosts.evictions
    return result


class Source(Protocol):
    """Where packets come from: a `CaptureReader`, or what stands before one."""

    @property
    def interfaces(self) -> list[Interface]:
        """Those of the packets so far."""

    @property
    def position(self) -> int:
        """Bytes that were used so far."""

    def batches(self) -> Iterator[PacketBatch]:
        """Packets in order; a batch is valid until the next is asked for."""


def steps(
    reader: Source, engine: Engine, progress: Callable[[int], None] = lambda done: None
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


def merged(groups: Iterable[dict[str, Family]]) -> dict[str, Family]:
    """Families of several captures as one."""
    merged: dict[str, Family] = {}
    for group in groups:
        for name, family in group.items():
            merged.setdefault(name, Family()).merge(family)
    return merged
