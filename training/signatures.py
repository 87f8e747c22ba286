"""Failure signatures: what a policy's numbers look like when its training goes wrong.

They are noticed, not acted upon: a policy that has learned its task well is sure of itself too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

SHARP: Final = "sharp"
COLLAPSE: Final = "entropy collapse"
DRIFT: Final = "teacher drift"

_MOST: Final = 0.5  # share of states
_REMAINDER: Final = 0.05  # of the first rollout's entropy
_HALF: Final = 0.5  # of the agreement at the hand-over

_WORDS: Final = {
    SHARP: "in more than half of the states one action has a probability above 0.99",
    COLLAPSE: "the policy's entropy is below a twentieth of what it was at first",
    DRIFT: "the policy agrees with its former teacher less than half as much as at the hand-over",
}


class Watch:
    """Looks at one run's rows of metrics, in order.

    Attributes:
        seen: the signatures so far, each with the steps after which it first showed.
    """

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        self._entropy = math.nan
        self._agreement = math.nan

    def look(self, row: Mapping[str, float]) -> list[str]:
        """What a row shows for the first time, in words."""
        if math.isnan(self._entropy):
            self._entropy = row.get("entropy", math.nan)
        agreement = row.get("agreement", math.nan)
        if row.get("mask", 0.0) > 0 or row.get("auxiliary", 0.0) > 0:
            self._agreement = agreement
        shows = {
            SHARP: row.get("sharp", 0.0) > _MOST,
            COLLAPSE: row.get("entropy", math.nan) < _REMAINDER * self._entropy,
            DRIFT: agreement < _HALF * self._agreement,
        }
        new = [name for name, shown in shows.items() if shown and name not in self.seen]
        self.seen |= dict.fromkeys(new, row["steps"])
        return [f"{name} after {row['steps']:,.0f} steps: {_WORDS[name]}" for name in new]
