"""What was compared, as JSON and as tables: means over seeds with their 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple, TypeAlias

from agent.words import printable
from training.gateway.baselines.compare import Result
from training.gateway.rewards import COMPONENTS
from training.report import interval

Results: TypeAlias = Mapping[str, Sequence[Result]]
"""By policy, one for each seed."""

_Cell: TypeAlias = Callable[[Sequence[Result]], str]
_Measure: TypeAlias = Callable[[Result], float]


class Table(NamedTuple):
    """Of texts; the first column names the rows."""

    header: list[str]
    rows: list[list[str]]


def _share(measure: _Measure) -> _Cell:
    def cell(runs: Sequence[Result]) -> str:
        found = interval([100 * measure(run) for run in runs])
        return f"{found.text(1)} %" if found.count else "–"

    return cell


def _number(measure: _Measure) -> _Cell:
    return lambda runs: interval([measure(run) for run in runs]).text(0)


def _component(name: str) -> _Cell:
    return _number(lambda run: run.earned.components[name])


def _stopped(name: str) -> _Cell:
    def measure(run: Result) -> float:
        family = run.replayed.malicious.get(name)
        return family.stopped if family else math.nan

    return _share(measure)


_EARNED: Final[Mapping[str, _Cell]] = {
    "of the stakes": _share(lambda run: run.earned.share),
    "points": _number(lambda run: run.earned.points),
    **{name.replace("_", " "): _component(name) for name in COMPONENTS},
}
_REPLAYED: Final[Mapping[str, _Cell]] = {
    "malicious stopped": _share(lambda run: run.replayed.all_malicious.stopped),
    "throttled": _share(lambda run: run.replayed.all_malicious.throttled),
    "after packets": _number(lambda run: run.replayed.all_malicious.packets),
    "bytes passed": _share(lambda run: run.replayed.all_malicious.bytes_passed),
    "legitimate stopped": _share(lambda run: run.replayed.all_benign.stopped),
    "legitimate throttled": _share(lambda run: run.replayed.all_benign.throttled),
}


def tables(results: Results) -> list[Table]:
    """What policies earned by component, what a replay of them did, and what it stopped by family.

    Args:
        results: of one corpus; at least one.
    """
    families = sorted(
        {f for runs in results.values() for run in runs for f in run.replayed.malicious}
    )
    stopped = {printable(name): _stopped(name) for name in families}
    by_policy = [_table("policy", columns, results) for columns in (_EARNED, _REPLAYED)]
    across = _table("stopped of", stopped, results)
    turned = [list(row) for row in zip(across.header, *across.rows, strict=True)]
    return [*by_policy, Table(turned[0], turned[1:])]


def _table(title: str, columns: Mapping[str, _Cell], results: Results) -> Table:
    rows = [[name, *(cell(runs) for cell in columns.values())] for name, runs in results.items()]
    return Table([title, *columns], rows)


def as_json(results: Results) -> dict[str, Any]:
    """By policy: the mean share of what is at stake, and each run; what is no number is null."""
    return {
        name: _finite(
            {
                "share": asdict(interval([run.earned.share for run in runs])),
                "runs": [{**asdict(run), "points": run.earned.points} for run in runs],
            }
        )
        for name, runs in results.items()
    }


def _finite(found: Any) -> Any:
    """JSON has no infinite numbers: null in their place."""
    if isinstance(found, dict):
        return {name: _finite(each) for name, each in found.items()}
    if isinstance(found, list):
        return [_finite(each) for each in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found
