"""Observations as facts, by name and in the features' units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.observation import NAMES, raw_values


def facts_of(observations: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Observations ``(n, F)`` as a column ``(n,)`` for each feature, in its unit."""
    raw = raw_values(observations)
    return {name: raw[:, k] for k, name in enumerate(NAMES)}
