"""A gateway observation as the state that a teacher is shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.decision import VERDICTS
from agent.observation import NAMES, raw_values
from agent.words import describe
from training.teacher.teacher import StateText


def state_of(observation: NDArray[np.float32]) -> StateText:
    """One observation ``(F,)`` as facts in the features' units and sentences."""
    raw = raw_values(observation[None, :])[0]
    facts = {name: float(value) for name, value in zip(NAMES, raw, strict=True)}
    return StateText(facts, tuple(describe(observation)), VERDICTS)
