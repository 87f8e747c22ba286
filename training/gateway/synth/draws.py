"""Draws from distributions that random lacks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import TypeVar

T = TypeVar("T")


def spread(dice: Random, least: float, most: float) -> float:
    """Log-uniform: as often between 1 and 10 as between 10 and 100."""
    return math.exp(dice.uniform(math.log(least), math.log(most)))


def spread_int(dice: Random, least: int, most: int) -> int:
    """The same, whole."""
    return round(spread(dice, least, most))


def weighted(dice: Random, weights: Mapping[T, float]) -> T:
    """One of the keys, as often as its value says."""
    return dice.choices(list(weights), list(weights.values()))[0]
