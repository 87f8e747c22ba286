"""Recorded decision points, drawn so that attacks are as frequent as everything else."""

from __future__ import annotations

import numpy as np
import torch

from training.gateway import imagined_rules
from training.gateway.noise import Noise
from training.gateway.tape import Tape


class Points:
    """Draws points, blurred; half of them are malicious.

    Within either half all points are alike, so that rare families count for no more than they are.
    What is neither malicious nor legitimate is never drawn.

    Args:
        tape: of the recordings.
        noise: deviation that is added to logarithms in observations.
        generator: the source of chance, on the tape's device.
    """

    def __init__(self, tape: Tape, noise: float, generator: torch.Generator) -> None:
        self._tape, self._generator = tape, generator
        self._noise = Noise(noise, generator)
        self._until = _until(tape)

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Observations ``(n, F)``, rules in force imagined, and the flows ``(n,)`` they are of."""
        chance, device = self._generator, self._until.device
        drawn = torch.rand(count, generator=chance, dtype=self._until.dtype, device=device)
        rows = torch.searchsorted(self._until, drawn).clamp(max=len(self._until) - 1)
        obs = self._noise(self._tape.obs[rows])
        obs[:, imagined_rules.COLUMNS] = imagined_rules.imagined(count, self._generator)
        return obs, self._tape.flow[rows]


def _until(tape: Tape) -> torch.Tensor:
    """Cumulated chances ``(P,)`` of all points."""
    chances = np.zeros(len(tape.flow))
    for flows in (tape.benign, tape.malicious):
        side = flows[tape.flow].cpu().numpy()
        chances[side] = 1 / max(1, side.sum())
    return torch.from_numpy((chances / (chances.sum() or 1)).cumsum()).to(tape.obs.device)
