"""The geometry of the page's timeline: bars, ticks and marks, for a template to draw.

Lengths are in bins along, and in percent of a panel's height upwards. Heights go by the square root
of the count: a flood must not flatten everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.decision import VERDICTS
from agent.tally import Notable, Timeline
from agent.totals import used_bins
from agent.words import moment_text

_FEWEST: Final = 40  # bins along, so that a short capture's bars stay slim
_TICKS: Final = 8
_LEAST: Final = 3.0  # percent; what happened once must be seen
_STEPS_S: Final = tuple(
    count * unit
    for unit, counts in ((1, (1, 2, 5, 10, 15, 30)), (60, (1, 2, 5, 10, 15, 30)))
    for count in counts
) + tuple(3600 * hours for hours in (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672, 2016, 8760))
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Bar:
    """One verdict's part of a bin's bar."""

    verdict: str
    bottom: float
    height: float


@dataclass(frozen=True, slots=True)
class Bin:
    """A stretch of time; ``allowed`` is the bar of a panel of its own, which drowns no other."""

    at: int
    title: str
    acted: list[Bar]
    allowed: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the time axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A new rule."""

    at: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A timeline, ready to be drawn.

    Attributes:
        width: bins along.
        bin_s: seconds of a bin.
        used: bins up to the last decision point.
        most_acted, most_allowed: decision points of the highest bars.
    """

    start_ns: int
    width: int
    bin_s: float
    used: int
    most_acted: int
    most_allowed: int
    bins: list[Bin]
    ticks: list[Tick]
    marks: list[Mark]

    @classmethod
    def of(cls, timeline: Timeline, notable: list[Notable]) -> Chart:
        """Lay out a tally's timeline and the rules that came of it."""
        counts = used_bins(timeline)
        width = max(len(counts), _FEWEST)
        acted = int(counts[:, 1:].sum(axis=1).max(initial=0))
        allowed = int(counts[:, 0].max(initial=0))
        start_ns, bin_ns = timeline.start_ns, timeline.width_ns
        return cls(
            start_ns=start_ns,
            width=width,
            bin_s=bin_ns / 1e9,
            used=len(counts),
            most_acted=acted,
            most_allowed=allowed,
            bins=[
                Bin(
                    at,
                    _title(start_ns + at * bin_ns, row),
                    list(_stack(row, acted)),
                    _height(int(row[0]), allowed),
                )
                for at, row in enumerate(counts)
                if row.any()
            ],
            ticks=list(_ticks(start_ns, width * bin_ns, bin_ns)),
            marks=[
                Mark((note.time_ns - start_ns) / bin_ns, note.rule.verdict.label)
                for note in notable
            ],
        )


def _height(count: int, most: int) -> float:
    return max(_LEAST, 100 * sqrt(count / most)) if count else 0.0


def _stack(row: NDArray[np.int64], most: int) -> Iterator[Bar]:
    """A bar shared by the verdicts but allow, the mildest at the bottom."""
    whole = int(row[1:].sum())
    height, bottom = _height(whole, most), 0.0
    for verdict, count in zip(VERDICTS[1:], row[1:].tolist(), strict=True):
        if count:
            yield Bar(verdict, bottom, height * count / whole)
            bottom += height * count / whole


def _title(time_ns: int, row: NDArray[np.int64]) -> str:
    counts = (f"{n:,} {verdict}" for verdict, n in zip(VERDICTS, row.tolist(), strict=True) if n)
    return f"{moment_text(time_ns, '%H:%M:%S')}: {', '.join(counts)}"


def _ticks(start_ns: int, span_ns: int, bin_ns: int) -> Iterator[Tick]:
    """Round moments, few enough to be read."""
    span_s = span_ns / 1e9
    step_s = next((s for s in _STEPS_S if span_s / s <= _TICKS), _STEPS_S[-1])
    pattern = "%H:%M:%S" if step_s < 60 else "%H:%M" if step_s < _DAY_S else "%d %b"
    step_ns = step_s * 1_000_000_000
    for time_ns in range(-(-start_ns // step_ns) * step_ns, start_ns + span_ns, step_ns):
        yield Tick((time_ns - start_ns) / bin_ns, moment_text(time_ns, pattern))
