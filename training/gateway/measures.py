"""What the page of a run shows, as data: counts, quartiles, calibration, and the price of caution.

Everything here is arithmetic on columns; where they come from is in `training.gateway.fates` (what
a replay did to flows) and `odds` (how sure the policy is at the points of recordings).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.decision import VERDICTS, Verdict
from agent.engine import Judge
from training.gateway.fates import Fates
from training.gateway.recording import Recording

BINS: Final = 10
PRICES: Final = np.geomspace(1e-4, 1, 81)
"""Shares of legitimate flows that stopping may cost, along the axis of a `Tradeoff`."""


@dataclass(frozen=True, slots=True)
class Quartiles:
    """Of ``count`` values; between neighbours linearly."""

    count: int
    low: float
    median: float
    high: float


def quartiles(values: NDArray[np.generic]) -> Quartiles | None:
    """Of the values that are numbers; None where there are none."""
    known = values.astype(np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return None
    low, median, high = np.quantile(known, (0.25, 0.5, 0.75)).tolist()
    return Quartiles(len(known), low, median, high)


@dataclass(frozen=True, slots=True)
class Family:
    """What became of the flows of a family.

    Attributes:
        flows: in all.
        shares: of them, by the strongest verdict that was in force; they sum to 1.
        packets, seconds: before the verdict that stopped a flow, of those that were stopped.
        bytes_passed: share of all bytes that passed.
        latency_ms: added to the packets of each throttled flow.
    """

    flows: int
    shares: Mapping[str, float]
    packets: Quartiles | None
    seconds: Quartiles | None
    bytes_passed: float
    latency_ms: Quartiles | None

    @property
    def stopped(self) -> float:
        """Share of flows that was blocked or isolated."""
        return self.shares["block"] + self.shares["isolate"]


def family(fates: Fates, which: NDArray[np.bool_]) -> Family:
    """Of the flows ``which`` ``(M,)``, at least one."""
    verdict = fates.verdict[which]
    stopped = which & (fates.verdict >= Verdict.BLOCK)
    counts = np.bincount(verdict, minlength=len(VERDICTS))
    return Family(
        flows=len(verdict),
        shares=dict(zip(VERDICTS, (counts / len(verdict)).tolist(), strict=True)),
        packets=quartiles(fates.packets[stopped]),
        seconds=quartiles(fates.seconds[stopped]),
        bytes_passed=float(fates.bytes_passed[which].sum() / max(1, fates.bytes[which].sum())),
        latency_ms=quartiles(fates.latency_ms[which]),
    )


def families(fates: Fates, malicious: bool) -> dict[str, Family]:
    """By name, those of malicious flows or of legitimate ones."""
    side = fates.malicious == malicious
    names = np.unique(fates.family[side]).tolist()
    return {name: family(fates, side & (fates.family == name)) for name in names}


@dataclass(frozen=True, slots=True)
class Odds:
    """How sure a policy is that flows should be stopped, nothing being in force.

    Attributes:
        points: ``(N,)``, the probability of block or isolate at each decision point.
        guilty: ``(N,)`` bool, whether that point's flow is malicious.
        flows: ``(M,)``, the greatest of a flow's points.
        malicious: ``(M,)`` bool.
        family: ``(M,)`` str.
    """

    points: NDArray[np.float64]
    guilty: NDArray[np.bool_]
    flows: NDArray[np.float64]
    malicious: NDArray[np.bool_]
    family: NDArray[np.str_]


def odds(policy: Judge, recordings: Sequence[Recording]) -> Odds:
    """Ask a policy at all decision points of flows that have a label; at least one recording."""
    parts = [_odds(policy, each) for each in recordings]
    return Odds(*map(np.concatenate, zip(*parts, strict=True)))


def _odds(policy: Judge, recording: Recording) -> tuple[NDArray[np.generic], ...]:
    logits = policy.logits(recording.observations).astype(np.float64)
    likely = np.exp(logits - logits.max(1, keepdims=True))
    stops = likely[:, Verdict.BLOCK :].sum(1) / likely.sum(1)
    most = np.zeros(len(recording.label))
    np.maximum.at(most, recording.flow, stops)
    point_label = recording.label[recording.flow]
    known, asked = point_label >= 0, recording.label >= 0
    return (
        *(stops[known], point_label[known] == 1),
        *(most[asked], recording.label[asked] == 1, recording.family[asked]),
    )


@dataclass(frozen=True, slots=True)
class Bin:
    """Points whose probability lies in one stretch: how many, their mean, and what was true."""

    count: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far probabilities can be taken at their word.

    Attributes:
        bins: equally wide, from 0 to 1; None where no point lies.
        error: expected calibration error (Guo et al. 2017, arXiv 1706.04599): what was predicted
            less what was observed, either way, the mean over points.
        brier: mean squared difference from what was true (Brier 1950, "Verification of forecasts
            expressed in terms of probability").
        base: Brier score of saying the share of what is true each time.
    """

    bins: tuple[Bin | None, ...]
    error: float
    brier: float
    base: float


def reliability(probability: NDArray[np.float64], truth: NDArray[np.bool_]) -> Reliability | None:
    """Of predictions ``(N,)`` in [0, 1] of what is true ``(N,)``; None where there are none."""
    if not len(probability):
        return None
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, values, BINS) for values in (probability, truth)]
    each = zip(counts.tolist(), *(total.tolist() for total in sums), strict=True)
    share = float(truth.mean())
    return Reliability(
        bins=tuple(Bin(n, said / n, was / n) if n else None for n, said, was in each),
        error=float(np.abs(sums[0] - sums[1]).sum() / len(probability)),
        brier=float(((probability - truth) ** 2).mean()),
        base=share * (1 - share),
    )


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """Malicious flows that could be stopped at a price in legitimate ones.

    A floor stops the flows of which the policy is at least so sure at any of their points.

    Attributes:
        prices: of legitimate flows, the share that may be stopped at most.
        floors: the lowest one that keeps to each price; above 1 where every flow that the policy
            is surest of is a legitimate one.
        benign: share of legitimate flows that each floor stops.
        malicious: share of malicious flows that it stops, by family.
        all_malicious: the same of all families together.
    """

    prices: tuple[float, ...]
    floors: tuple[float, ...]
    benign: tuple[float, ...]
    malicious: Mapping[str, tuple[float, ...]]
    all_malicious: tuple[float, ...]


def tradeoff(found: Odds) -> Tradeoff | None:
    """What each price buys; None where flows are all malicious, or none is."""
    benign = np.sort(found.flows[~found.malicious])
    if not 0 < len(benign) < len(found.flows):
        return None
    # Beyond the flow that would be one too many; a price of 1 allows for all.
    spared = len(benign) - np.floor(PRICES * len(benign) + 1e-9).astype(int)
    floors = np.where(spared, np.nextafter(benign[spared - 1], 2), 0)
    names = np.unique(found.family[found.malicious]).tolist()
    return Tradeoff(
        prices=tuple(PRICES.tolist()),
        floors=tuple(floors.tolist()),
        benign=stopped_at(floors, benign),
        malicious={
            name: stopped_at(floors, found.flows[found.malicious & (found.family == name)])
            for name in names
        },
        all_malicious=stopped_at(floors, found.flows[found.malicious]),
    )


def stopped_at(floors: NDArray[np.float64], sure: NDArray[np.float64]) -> tuple[float, ...]:
    """Share of flows of which the policy is sure enough, at each floor."""
    below = np.searchsorted(np.sort(sure), floors, side="left")
    return tuple((1 - below / len(sure)).tolist())
