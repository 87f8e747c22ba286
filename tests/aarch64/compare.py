"""What differs between two sides' decisions and reports, counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

# Of a report: where it was made and how fast, which is no part of the result.
OF_THE_MACHINE = frozenset(
    {
        *("captures", "policy.path", "seconds", "cpu_seconds", "packets_per_second"),
        "peak_rss_bytes",
    }
)
VERDICTS = ("proposed", "applied", "reasons")


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one capture; all zero where the two sides agree.

    Attributes:
        decision_points: how many there are on the first side.
        points: decision points that are not the same flow at the same packet.
        observations: values whose bits differ.
        verdicts: decision points whose proposed or applied verdict, or the guard's reason, differs.
        rules: rules that only one side has.
        report: paths in the report whose values differ.
        logits: values whose bits differ; not an error, as long as no verdict does.
        largest_logit: the largest absolute difference of a logit.
    """

    decision_points: int
    points: int
    observations: int
    verdicts: int
    rules: int
    report: tuple[str, ...]
    logits: int
    largest_logit: float

    @property
    def same(self) -> bool:
        """Whether both sides saw, decided and reported the same."""
        return not (self.points or self.observations or self.verdicts or self.rules or self.report)

    def as_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self) | {"same": self.same}


def compare(
    ours: Arrays, theirs: Arrays, report: Mapping[str, Any], their_report: Mapping[str, Any]
) -> Difference:
    """Compare two sides of a capture: arrays as `tests.aarch64.decide` writes them, and reports."""
    a, b = ours["logits"], theirs["logits"]
    n = min(len(a), len(b))
    return Difference(
        decision_points=len(ours["points"]),
        points=rows_apart(ours["points"], theirs["points"]),
        observations=bits_apart(ours["observations"], theirs["observations"]),
        verdicts=rows_apart(_columns(ours), _columns(theirs)),
        rules=len(_rows(ours["rules"]) ^ _rows(theirs["rules"])),
        report=tuple(paths_apart(report, their_report)),
        logits=bits_apart(a, b),
        largest_logit=float(np.abs(a[:n].astype(np.float64) - b[:n]).max(initial=0.0)),
    )


def total(differences: list[Difference]) -> Difference:
    """Of several captures: sums, and the largest of the largest."""
    return Difference(
        *(
            sum(getattr(each, name) for each in differences)
            for name in ("decision_points", "points", "observations", "verdicts", "rules")
        ),
        report=tuple(path for each in differences for path in each.report),
        logits=sum(each.logits for each in differences),
        largest_logit=max((each.largest_logit for each in differences), default=0.0),
    )


def rows_apart(a: NDArray[Any], b: NDArray[Any]) -> int:
    """Rows that are not equal, and those that one side has more."""
    n = min(len(a), len(b))
    differ = a[:n] != b[:n]
    if differ.ndim > 1:
        differ = differ.any(axis=1)
    return int(np.count_nonzero(differ)) + max(len(a), len(b)) - n


def bits_apart(a: NDArray[Any], b: NDArray[Any]) -> int:
    """Values of float32 whose bits differ, and those of rows that one side has more."""
    n = min(len(a), len(b))
    differ = np.count_nonzero(a[:n].view(np.uint32) != b[:n].view(np.uint32))
    return int(differ) + a[n:].size + b[n:].size


def paths_apart(a: object, b: object, path: str = "") -> Iterator[str]:
    """Dotted paths of values that differ between two pieces of JSON, `OF_THE_MACHINE` aside."""
    if path in OF_THE_MACHINE:
        return
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            below = f"{path}.{key}" if path else str(key)
            if key in a and key in b:
                yield from paths_apart(a[key], b[key], below)
            elif below not in OF_THE_MACHINE:
                yield below
    elif type(a) is not type(b) or a != b:
        yield path


def _columns(arrays: Arrays) -> NDArray[np.uint8]:
    return np.stack([arrays[name] for name in VERDICTS], axis=1)


def _rows(rules: NDArray[np.uint64]) -> set[tuple[int, ...]]:
    return {tuple(row) for row in rules.tolist()}
