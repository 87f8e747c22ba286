"""Alerts of an intrusion detection system, which recordings do not have, and what they say.

The agent counts an alert on both hosts of its flow, by severity (`agent.config.AlertSettings`).
What is on both ends may be about what passes between them; what is on one end only is about its
dealings with somebody else. So the less of both is what speaks against a flow, whatever else is
seen of it.
"""

from __future__ import annotations

import math
from typing import Final

import torch

from agent.observation import LOG_SCALE, NAMES

COLUMNS: Final = [NAMES.index("src_alerts"), NAMES.index("dst_alerts")]
"""Of an observation."""

_ANY: Final = 0.5  # of observations are made to have alerts,
_EACH: Final = 0.7  # and of these so many on either end,
_WEIGHTS: Final = (0.25, 40.0)  # of a weight between the least of a single one's and that of many
# Assumed: an alert of severity 1 is exp(12), or 160,000, times as likely beside an attack as beside
# anything else, one of severity 2 exp(8), of 3 exp(4), of 4 exp(2): by default the less of the two
# hosts' weights is 1.5, 1, 0.5 and 0.25. Several add up, but to no certainty.
_NATS: Final = 8.0
_MOST: Final = 16.0


def imagined(count: int, generator: torch.Generator) -> torch.Tensor:
    """Weights of alerts on initiators and responders, ``(n, 2)``, whoever they are."""
    device = generator.device

    def uniform(columns: int) -> torch.Tensor:
        return torch.rand(count, columns, generator=generator, device=device)

    least, most = (math.log(weight) for weight in _WEIGHTS)
    weights = (least + (most - least) * uniform(2)).exp()
    return torch.where((uniform(2) < _EACH) & (uniform(1) < _ANY), weights, 0.0)


def observed(weights: torch.Tensor) -> torch.Tensor:
    """Weights ``(n, 2)`` as the two features have them."""
    return weights.log1p() / LOG_SCALE


def evidence(weights: torch.Tensor) -> torch.Tensor:
    """What weights ``(n, 2)`` add to the log-odds of malice, ``(n,)`` nats."""
    return (_NATS * weights.amin(1)).clamp(max=_MOST)
