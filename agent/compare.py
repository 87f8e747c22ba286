"""Which verdicts change between two policies that see the same observations.

The first policy is in charge: its verdicts take effect, so its flows are throttled and stopped. The
second is only asked. What it would have seen had it been in charge is another replay.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.alerts import Alerts
from agent.capture.files import open_capture
from agent.config import Settings
from agent.decision import VERDICTS, Decisions, Verdict
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.flow_key import FlowKey
from agent.policy import Policy
from agent.replay import steps
from agent.words import describe

_EXAMPLES = 12


@dataclass(frozen=True, slots=True)
class Example:
    """A flow on which the policies disagree, at the decision point where they differ most."""

    capture: Path
    time_ns: int
    key: FlowKey
    first: Verdict
    second: Verdict
    words: list[str]

    def as_json(self) -> dict[str, object]:
        """As ``--json`` prints it; the time in ns since 1970."""
        return {
            "capture": str(self.capture),
            "time_ns": self.time_ns,
            "flow": str(self.key),
            "first": self.first.label,
            "second": self.second.label,
            "words": self.words,
        }


@dataclass(slots=True)
class Comparison:
    """Two policies' proposed verdicts over some captures.

    Attributes:
        first, second: the policies; ``first`` was in charge.
        points: ``(4, 4)`` decision points, by verdict of the first (row) and second (column).
        flows: all flows, ``milder`` and ``stricter`` those whose strongest verdict would change.
        examples: the flows with the largest change, largest first.
    """

    first: Policy
    second: Policy
    points: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((len(VERDICTS), len(VERDICTS)), np.int64)
    )
    flows: int = 0
    milder: int = 0
    stricter: int = 0
    examples: list[Example] = field(default_factory=list)

    @property
    def changed_points(self) -> int:
        """Decision points with different verdicts."""
        return int(self.points.sum() - np.trace(self.points))

    def as_json(self) -> dict[str, object]:
        """As ``--json`` prints it; in ``verdicts`` the first policy's are outside."""
        return {
            "first": _policy_json(self.first),
            "second": _policy_json(self.second),
            "decision_points": int(self.points.sum()),
            "changed_decision_points": self.changed_points,
            "verdicts": {
                name: dict(zip(VERDICTS, row, strict=True))
                for name, row in zip(VERDICTS, self.points.tolist(), strict=True)
            },
            "flows": self.flows,
            "changed_flows": self.milder + self.stricter,
            "milder_flows": self.milder,
            "stricter_flows": self.stricter,
            "examples": [example.as_json() for example in self.examples],
        }


def compare_policies(
    captures: Sequence[Path],
    settings: Settings,
    first: Policy,
    second: Policy,
    progress: Callable[[int, int], None] = lambda done, size: None,
    alerts: Alerts | None = None,
) -> Comparison:
    """Replay captures once under ``first`` and ask ``second`` on the same observations.

    Memory is bounded by the flow table. Damage inside a capture ends it.

    Raises:
        CaptureError: a file cannot be opened, or is no capture.
    """
    comparison = Comparison(first, second)
    largest = _Largest()
    sizes = [path.stat().st_size if path.is_file() else 0 for path in captures]
    for i, path in enumerate(captures):

        def advance(done: int, before: int = sum(sizes[:i])) -> None:
            progress(before + done, sum(sizes))

        engine = Engine(settings, first, Recorder(), alerts)
        living = _Living(path, comparison, largest)
        with open_capture(path) as reader:
            for decisions in steps(reader, engine, advance):
                living.add(decisions)
                living.end(engine.table.ended[: engine.table.n_ended])
        comparison.flows += engine.table.flows
    comparison.examples = largest.examples()
    return comparison


@dataclass(slots=True)
class _Flow:
    """A living flow that either policy would not simply allow."""

    first: Verdict = Verdict.ALLOW  # strongest so far
    second: Verdict = Verdict.ALLOW
    gap: int = 0  # at the example: how many steps of severity lie between the two
    example: Example | None = None


class _Living:
    """Follows the living flows of one capture, by serial."""

    def __init__(self, path: Path, comparison: Comparison, largest: _Largest) -> None:
        self._path = path
        self._comparison = comparison
        self._largest = largest
        self._flows: dict[int, _Flow] = {}

    def add(self, decisions: Decisions) -> None:
        """Count the decision points of one step."""
        if len(decisions.points) == 0:
            return
        proposed = self._comparison.second.logits(decisions.observations).argmax(axis=1)
        np.add.at(self._comparison.points, (decisions.proposed, proposed), 1)
        for row in np.flatnonzero(decisions.proposed | proposed):
            flow = self._flows.setdefault(int(decisions.points["serial"][row]), _Flow())
            first, second = Verdict(int(decisions.proposed[row])), Verdict(int(proposed[row]))
            flow.first, flow.second = max(flow.first, first), max(flow.second, second)
            if abs(second - first) > flow.gap:
                flow.gap = abs(second - first)
                flow.example = self._example(decisions, int(row), first, second)

    def _example(self, decisions: Decisions, row: int, first: Verdict, second: Verdict) -> Example:
        point = decisions.points[row]
        words = describe(decisions.observations[row])
        return Example(self._path, int(point["ts_ns"]), FlowKey.of(point), first, second, words)

    def end(self, flows: NDArray[np.void]) -> None:
        """Count ended flows (`agent.flows.records.FLOW`), and forget them."""
        for serial in flows["serial"].tolist() if self._flows else ():
            flow = self._flows.pop(serial, None)
            if flow is None:
                continue
            self._comparison.milder += flow.second < flow.first
            self._comparison.stricter += flow.second > flow.first
            if flow.example is not None:
                self._largest.offer(flow.gap, flow.example)


class _Largest:
    """Keeps the few examples with the largest gaps; the earliest among equals."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Example]] = []
        self._offered = 0

    def offer(self, gap: int, example: Example) -> None:
        self._offered += 1
        heapq.heappush(self._heap, (gap, -self._offered, example))
        if len(self._heap) > _EXAMPLES:
            heapq.heappop(self._heap)

    def examples(self) -> list[Example]:
        return [example for _, _, example in sorted(self._heap, key=lambda item: item[:2])[::-1]]


def _policy_json(policy: Policy) -> dict[str, str]:
    manifest = policy.bundle.manifest
    return {"name": manifest.name, "kind": manifest.kind, "sha256": policy.bundle.digest}
