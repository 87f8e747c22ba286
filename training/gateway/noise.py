"""Noise on observations, so that no capture is learned by heart."""

from __future__ import annotations

import torch

from agent.observation import TRANSFORMS, Transform


class Noise:
    """Blurs sizes, times and counts; what is nothing or a flag stays what it is.

    Whether a packet had a payload is no matter of degree.

    Args:
        deviation: of what is added to logarithms.
        generator: the source of chance.
    """

    def __init__(self, deviation: float, generator: torch.Generator) -> None:
        graded = torch.from_numpy(TRANSFORMS != Transform.IDENTITY)
        self._deviation = deviation * graded.to(generator.device)
        self._none, self._generator = not deviation, generator

    def __call__(self, obs: torch.Tensor) -> torch.Tensor:
        """Observations ``(n, F)``, blurred; nothing is drawn where there is no noise."""
        if self._none:
            return obs
        chance = torch.randn(obs.shape, generator=self._generator, device=obs.device)
        return obs + self._deviation * chance * (obs != 0)
