"""Totals over a replay's captures: what the terminal and the page both show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.addresses import text
from agent.decision import VERDICTS
from agent.replay import Replay
from agent.tally import Timeline


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """How often one verdict was proposed and applied, and the rules that came of it."""

    name: str
    proposed: int
    applied: int
    rules: int


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host that opened flows against which rules were made, by verdict."""

    address: str
    rules: Counter[str]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all captures; names where zero are absent from the counters."""

    packets: int
    bytes: int
    flows: int
    hosts: int
    points: int
    undecoded: Counter[str]
    evictions: Counter[str]
    alerts: Counter[str]
    guarded: Counter[str]
    verdicts: list[VerdictRow]
    behind_rules: list[HostRow]  # most rules first

    @classmethod
    def of(cls, replay: Replay) -> Totals:
        """Add up a replay."""
        captures = replay.captures
        tallies = [capture.tally for capture in captures]
        rules = _sum(tally.rules for tally in tallies)
        proposed, applied = np.zeros((2, len(VERDICTS)), np.int64)
        behind: dict[tuple[int, int], Counter[str]] = {}
        for tally in tallies:
            proposed += tally.proposed
            applied += tally.applied
            for address, counts in tally.hosts.items():
                behind.setdefault(address, Counter()).update(counts)
        ranked = sorted(behind.items(), key=lambda item: (-item[1].total(), item[0]))
        return cls(
            packets=sum(capture.packets for capture in captures),
            bytes=sum(capture.bytes for capture in captures),
            flows=sum(capture.flows for capture in captures),
            hosts=sum(capture.hosts for capture in captures),
            points=sum(tally.points for tally in tallies),
            undecoded=_sum(capture.undecoded for capture in captures),
            evictions=_sum(capture.evictions for capture in captures),
            alerts=_sum(capture.alerts for capture in captures),
            guarded=_sum(tally.guarded for tally in tallies),
            verdicts=[
                VerdictRow(name, int(proposed[i]), int(applied[i]), rules[name])
                for i, name in enumerate(VERDICTS)
            ],
            behind_rules=[HostRow(text(*address), counts) for address, counts in ranked],
        )


def _sum(counters: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counters, Counter())


def used_bins(timeline: Timeline) -> NDArray[np.int64]:
    """A timeline's counts, ``(bins, 4)``, without the empty bins after its last decision point."""
    last = np.flatnonzero(timeline.counts.any(axis=1))
    return timeline.counts[: last[-1] + 1 if len(last) else 0]
