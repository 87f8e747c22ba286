"""Tally: what a replay adds up from the engine's steps, in memory that does not grow with it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.decision import VERDICTS, Decisions, Reason, Rule, Verdict
from agent.labels import Labels, label_of
from agent.words import describe

_NS = 1_000_000_000
_NOTABLE = 400  # decisions kept for the page
_HOSTS = 4096  # hosts whose verdicts are counted one by one


@dataclass(slots=True)
class Family:
    """What happened to the flows of one family.

    The packets before the verdict are those of stopped flows; the latency is what a throttled
    flow's packets waited on average.
    """

    flows: int = 0
    stopped: int = 0
    throttled: int = 0
    packets: int = 0
    bytes: int = 0
    packets_passed: int = 0
    bytes_passed: int = 0
    packets_before_verdict: array[int] = field(default_factory=lambda: array("Q"))
    latency_ms: array[float] = field(default_factory=lambda: array("d"))

    def add(self, flow: np.void) -> None:
        """Count an ended flow (`agent.flows.records.FLOW`)."""
        self.flows += 1
        self.packets += int(flow["packets_fwd"]) + int(flow["packets_bwd"])
        self.bytes += int(flow["ip_bytes"])
        self.packets_passed += int(flow["passed_packets"])
        self.bytes_passed += int(flow["passed_bytes"])
        if flow["worst"] >= Verdict.BLOCK:
            self.stopped += 1
            self.packets_before_verdict.append(int(flow["stopped_at"]))
        elif flow["worst"] == Verdict.THROTTLE:
            self.throttled += 1
        if flow["throttled_packets"]:
            self.latency_ms.append(flow["delay_ns"] / 1e6 / flow["throttled_packets"])

    def merge(self, other: Family) -> None:
        """Add another tally of the same family."""
        for name in ("flows", "stopped", "throttled", "packets", "bytes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.packets_passed += other.packets_passed
        self.bytes_passed += other.bytes_passed
        self.packets_before_verdict += other.packets_before_verdict
        self.latency_ms += other.latency_ms


class Timeline:
    """Decision points by applied verdict over time, in at most ``bins`` equal bins.

    When time runs past the last bin, the width doubles and neighbours are merged.
    """

    def __init__(self, bins: int = 240) -> None:
        self.start_ns = 0
        self.width_ns = _NS
        self.counts = np.zeros((bins, len(VERDICTS)), np.int64)
        self._started = False

    def add(self, time_ns: int, verdicts: NDArray[np.int64]) -> None:
        """Count the decision points of one step, by verdict ``(4,)``; steps come in order of time.

        A step lies within one tick, so one time stands for all its points.
        """
        if not self._started:
            self.start_ns = time_ns // _NS * _NS
            self._started = True
        while time_ns - self.start_ns >= self.width_ns * len(self.counts):
            half = self.counts.reshape(-1, 2, len(VERDICTS)).sum(axis=1)
            self.counts[:] = 0
            self.counts[: len(half)] = half
            self.width_ns *= 2
        self.counts[(time_ns - self.start_ns) // self.width_ns] += verdicts


@dataclass(frozen=True, slots=True)
class Notable:
    """A decision that put a rule in force, kept for the report."""

    time_ns: int
    point: np.void  # agent.flows.records.POINT
    rule: Rule
    reason: Reason
    proposed: Verdict
    probability: float  # that the policy gave the proposed verdict
    observation: NDArray[np.float32]  # (F,)

    @property
    def words(self) -> list[str]:
        """The observation in words."""
        return describe(self.observation)


class Tally:
    """Adds up one capture's replay.

    Attributes:
        proposed, applied: decision points by verdict, before and after the guard.
        guarded: decision points whose verdict the guard changed or held back, by reason.
        rules: new rules by verdict.
        hosts: new rules by the address that opened the flow, as words.
        families: of malicious flows; ``benign`` likewise, ``unlabelled`` where no label fits.
    """

    def __init__(self, labels: Labels | None) -> None:
        self._labels = labels
        self.points = 0
        self.first_ns = 0
        self.proposed = np.zeros(len(VERDICTS), np.int64)
        self.applied = np.zeros(len(VERDICTS), np.int64)
        self.guarded: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.hosts: dict[tuple[int, int], Counter[str]] = {}
        self.timeline = Timeline()
        self.notable: list[Notable] = []
        self.families: dict[str, Family] = {}
        self.benign: dict[str, Family] = {}
        self.unlabelled = Family()

    def add(self, decisions: Decisions) -> None:
        """Count one step's decision points and what the guard made of them."""
        n = len(decisions.points)
        if n == 0:
            return
        first_ns = int(decisions.points["ts_ns"][0])
        if not self.points:
            self.first_ns = first_ns
        self.points += n
        applied = np.bincount(decisions.applied, minlength=len(VERDICTS))
        self.timeline.add(first_ns, applied)
        self.applied += applied
        self.proposed += np.bincount(decisions.proposed, minlength=len(VERDICTS))
        reasons = np.bincount(decisions.reasons)
        for reason in np.flatnonzero(reasons[1:]) + 1:
            self.guarded[Reason(int(reason)).label] += int(reasons[reason])
        for row, rule in decisions.rules.items():
            self._note(decisions, row, rule)

    def _note(self, decisions: Decisions, row: int, rule: Rule) -> None:
        point = decisions.points[row]
        self.rules[rule.verdict.label] += 1
        source = int(point["src_hi"]), int(point["src_lo"])
        if source in self.hosts or len(self.hosts) < _HOSTS:
            self.hosts.setdefault(source, Counter())[rule.verdict.label] += 1
        if len(self.notable) < _NOTABLE:
            odds = np.exp(decisions.logits[row] - decisions.logits[row].max())
            self.notable.append(
                Notable(
                    int(point["ts_ns"]),
                    point.copy(),
                    rule,
                    Reason(int(decisions.reasons[row])),
                    Verdict(int(decisions.proposed[row])),
                    float(odds[decisions.proposed[row]] / odds.sum()),
                    decisions.observations[row].copy(),
                )
            )

    def end(self, flows: NDArray[np.void]) -> None:
        """Count ended flows (`agent.flows.records.FLOW`) under their labels."""
        if self._labels is None:
            return
        for flow in flows:
            label = label_of(self._labels, flow)
            if label is None:
                self.unlabelled.add(flow)
                continue
            group = self.families if label.malicious else self.benign
            group.setdefault(label.family, Family()).add(flow)


def total(families: Mapping[str, Family]) -> Family:
    """All families as one."""
    whole = Family()
    for family in families.values():
        whole.merge(family)
    return whole
