"""What a gateway's network gets: the observation; while it learns, all features on one scale.

A count's logarithm and a share vary by very different amounts, and Adam takes steps of one size.
So a network learns on features of mean 0 and deviation 1 (LeCun et al. 1998, "Efficient BackProp",
section 4.3). What is kept takes observations as they are: the scales go into its first layers.
"""

from __future__ import annotations

from typing import Final, cast

import torch
from torch import nn

from agent.decision import Verdict
from agent.observation import FEATURES
from training.memory import Memory
from training.networks import FlatActorCritic

# A feature that hardly ever varies in training would otherwise count for very much elsewhere.
_LEAST: Final = 0.05


class Plain(Memory):
    """Remembers nothing, for an observation holds the flow's past."""

    def __init__(self) -> None:
        super().__init__(len(FEATURES), len(Verdict), num_inputs=len(FEATURES))

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """A network's inputs ``(B, F)``."""
        return obs


class Standardised(Plain):
    """The same, of features with the mean and the deviation that they have in observations.

    Args:
        observations: ``(P, F)``.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, observations: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", observations.mean(0))
        self.register_buffer("deviation", observations.std(0, correction=0).clamp(min=_LEAST))

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """A network's inputs ``(B, F)``."""
        return (obs - self.mean) / self.deviation


@torch.no_grad()
def settle(network: FlatActorCritic) -> None:
    """Make a network that learned on standardised features take them as they are."""
    scales = cast(Standardised, network.memory)
    for layers in (network.actor, network.critic):
        first = cast(nn.Linear, layers[0])
        first.weight.div_(scales.deviation)
        first.bias.sub_(first.weight @ scales.mean)
    network.memory = Plain()
