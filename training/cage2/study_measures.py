"""What a study measures in each of its runs, and how arms compare with each other.

Returns are means of what a row of metrics stands for, weighted by episodes; "so far" is a mean over
the latest hundred episodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np

from training.report import Columns, FloatArray, Interval, averages, interval, running_mean

SHARE: Final = 0.05  # of a training: its early part, and its final one
WAY: Final = 0.95  # from the first return to the final one
WINDOW: Final = 100.0  # episodes of a running mean
AFTER: Final = 500.0  # episodes after the hand-over in which the spread is measured
_SHARP_ROWS: Final = 10
_SHARP_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one run; what it has not, is nan.

    Attributes:
        early: mean return of the first 5 % of the episodes.
        final: mean return of the last 5 %.
        learned: episodes until 95 % of the way to the baseline's final return was made; all
            episodes if it never was.
        never: whether it never was.
        spread: standard deviation of the rows' returns in the 500 episodes after guidance ended.
        sharp: largest share of states, over ten rows in the first 10 % of the episodes, in which
            one action had more than 99 % of the probability.
        sharp_handover: the same share in the ten rows before guidance ended.
        reached: seconds of training until the return exceeded the study's level, if it has one.
        reached_steps: environment steps until then.
        scores: greedy mean return in each of the study's scenarios.
    """

    early: float
    final: float
    learned: float
    never: bool
    spread: float
    sharp: float
    sharp_handover: float
    reached: float = math.nan
    reached_steps: float = math.nan
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against its baseline, paired by seed.

    Attributes:
        ratio: the baseline's early return over the arm's: of losses, so 2 is twice as good.
        sooner: episodes by which the arm had learned before the baseline.
        bound: a learned arm counts its run's length where it never had: how many seeds did so.
    """

    ratio: Interval
    sooner: Interval
    bound: int


def measure(
    run: Columns,
    baseline: Columns,
    *,
    handover: float | None,
    level: float | None = None,
    scores: Mapping[str, float] | None = None,
) -> Measures:
    """Everything of one run.

    Args:
        run: metrics of the run.
        baseline: metrics of the run that it is compared with, of the same seed; itself if none.
        handover: episodes after which guidance ended, of a run that had none the same as in the
            run that it is compared with; None: never.
        level: the return to exceed.
        scores: greedy returns by scenario.
    """
    learned = first_above(run, target(baseline))
    above = None if level is None else first_above(run, level)
    never = learned is None
    return Measures(
        early=between(run, 0, SHARE),
        final=between(run, 1 - SHARE, 1),
        learned=float(run["episodes"][-1 if learned is None else learned]),
        never=never,
        spread=spread(run, handover),
        sharp=sharpest(run),
        sharp_handover=sharp_at(run, handover),
        reached=math.nan if above is None else float(run["seconds"][above]),
        reached_steps=math.nan if above is None else float(run["steps"][above]),
        scores=scores or {},
    )


def between(run: Columns, begin: float, end: float) -> float:
    """Mean return between two shares of the run's episodes."""
    return float(averages(run, "return", np.array([begin, end]) * run["episodes"][-1])[0])


def so_far(run: Columns) -> FloatArray:
    """Mean return ``(rows,)`` of the latest 100 episodes; nan before there are so many."""
    ends = run["episodes"]
    least = min(WINDOW, ends[-1])
    means = [averages(run, "return", np.array([max(0.0, e - WINDOW), e]))[0] for e in ends]
    return np.where(ends >= least, means, np.nan)


def target(baseline: Columns) -> float:
    """The return at 95 % of the way from the baseline's first 100 episodes to its last 5 %."""
    until = max(WINDOW, float(baseline["episodes"][0]))
    first = float(averages(baseline, "return", np.array([0.0, until]))[0])
    return first + WAY * (between(baseline, 1 - SHARE, 1) - first)


def first_above(run: Columns, level: float) -> int | None:
    """The first row at which the return so far is at least ``level``, if there is one."""
    rows = np.flatnonzero(so_far(run) >= level)
    return int(rows[0]) if len(rows) else None


def handover(run: Columns) -> float | None:
    """Episodes that had ended when guidance did; None if it never began or never ended."""
    strength = sum(np.nan_to_num(run[name]) for name in ("mask", "auxiliary") if name in run)
    guided = np.flatnonzero(strength)
    if not len(guided) or guided[-1] == len(run["episodes"]) - 1:
        return None
    return float(run["episodes"][guided[-1]])


def spread(run: Columns, begin: float | None) -> float:
    """Standard deviation of rows' returns in the 500 episodes after ``begin``."""
    if begin is None:
        return math.nan
    inside = (run["episodes"] > begin) & (run["episodes"] <= begin + AFTER)
    returns = run["return"][inside & ~np.isnan(run["return"])]
    return float(returns.std(ddof=1)) if len(returns) > 1 else math.nan


def sharpest(run: Columns) -> float:
    """The largest mean of ten rows' ``sharp`` in the first 10 % of the episodes."""
    if "sharp" not in run:
        return math.nan
    early = run["episodes"] <= max(_SHARP_SHARE * run["episodes"][-1], run["episodes"][0])
    return float(running_mean(run["sharp"], _SHARP_ROWS)[early].max())


def sharp_at(run: Columns, episodes: float | None) -> float:
    """Mean ``sharp`` of the ten rows up to a count of episodes."""
    if "sharp" not in run or episodes is None:
        return math.nan
    rows = np.flatnonzero(run["episodes"] <= episodes)
    return float(running_mean(run["sharp"], _SHARP_ROWS)[rows[-1]]) if len(rows) else math.nan


def compare(arm: Sequence[Measures], baseline: Sequence[Measures]) -> Comparison:
    """An arm against its baseline, seed by seed in the same order."""
    pairs = list(zip(arm, baseline, strict=True))
    return Comparison(
        ratio=interval([b.early / a.early if a.early else math.nan for a, b in pairs]),
        sooner=interval([b.learned - a.learned for a, b in pairs]),
        bound=sum(a.never or b.never for a, b in pairs),
    )


def summary(runs: Sequence[Measures]) -> dict[str, Any]:
    """Intervals over seeds of every measure, by its name, and how many runs never learned."""
    numbers = [f.name for f in fields(Measures) if f.name not in {"never", "scores"}]
    means = {name: interval([getattr(run, name) for run in runs]) for name in numbers}
    scenarios = {name: None for run in runs for name in run.scores}
    scores = {name: interval([run.scores[name] for run in runs]) for name in scenarios}
    return means | {"scores": scores, "never": sum(run.never for run in runs)}
