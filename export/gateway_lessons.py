"""Lessons of a gateway's policy: recorded decision points, and what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import nn

from agent.observation import TRANSFORMS, Transform
from export.lessons import Examples
from training.gateway import imagined_alerts
from training.gateway.points import Points
from training.gateway.recording import Recording
from training.gateway.tape import Tape

_MANY_ALERTS: Final = 1000.0  # weight on a host: the agent's own verdicts count there, too


def extremes() -> torch.Tensor:
    """``(1, F)``: what recordings do not show and the agent can see all the same.

    Flags and shares reach 1. An input that is cut off in a box is one that the policy is blind to.
    """
    highest = torch.from_numpy((TRANSFORMS == Transform.IDENTITY).astype(np.float32))
    alerts = torch.tensor([_MANY_ALERTS] * len(imagined_alerts.COLUMNS))
    highest[imagined_alerts.COLUMNS] = imagined_alerts.observed(alerts)
    return highest[None]


class GatewayLessons:
    """Points as training draws them, half of them malicious, blurred, and some with alerts.

    Args:
        recordings: whose points are drawn.
        policy: observations ``(N, F)`` to logits ``(N, 4)``.
        noise: deviation that is added to logarithms in observations.
        seed: of all chance.
    """

    def __init__(
        self, recordings: Sequence[Recording], policy: nn.Module, noise: float, seed: int
    ) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        tape = Tape(recordings, torch.device("cpu"))
        self._points = Points(tape, noise, self._generator)
        self._policy = policy

    @torch.no_grad()
    def draw(self, count: int) -> Examples:
        """So many examples."""
        obs, _ = self._points.draw(count)
        weights = imagined_alerts.imagined(count, self._generator)
        obs[:, imagined_alerts.COLUMNS] = imagined_alerts.observed(weights)
        return Examples(obs, self._policy(obs))
