"""Students and lessons for tests."""

from __future__ import annotations

import torch
from torch import nn

from export.lessons import Examples
from export.student import fresh


class Drawn:
    """Lessons about uniform inputs, by a policy that is another student."""

    def __init__(self, policy: nn.Module, inputs: int, seed: int = 1) -> None:
        self._policy, self._inputs = policy, inputs
        self._generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def draw(self, count: int) -> Examples:
        """So many examples."""
        inputs = torch.rand(count, self._inputs, generator=self._generator)
        return Examples(inputs, self._policy(inputs))


def policy(*widths: int, seed: int = 7) -> nn.Sequential:
    """A student that is sure enough of itself to be worth learning from."""
    made = fresh(widths, seed)
    with torch.no_grad():
        for parameter in made[-1].parameters():
            parameter.mul_(10)
    return made
