"""The gateway playbook in the place of a policy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.gateway.facts import facts_of
from training.gateway.playbook import advise

FloatArray = NDArray[np.float32]


class PlaybookPolicy:
    """The engine's `Judge` by the playbook: the logits are its log-probabilities."""

    def logits(self, observations: FloatArray) -> FloatArray:
        """``(n, F)`` to ``(n, 4)``."""
        return np.log(advice_on(observations) + 1e-6)


def advice_on(observations: FloatArray) -> FloatArray:
    """The playbook's distributions on observations: ``(n, F)`` to ``(n, 4)``."""
    return advise(facts_of(observations)).astype(np.float32)
