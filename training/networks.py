"""Actor-critics: a policy's logits and a critic's value from an observation and a memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import nn

from training.memory import Memory

_NEVER: Final = -1e9  # logit of an action that the memory knows to be without effect


class ActorCritic(nn.Module):
    """A policy and its critic.

    Args:
        memory: what the policy remembers.
    """

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self.memory = memory

    @property
    def state_size(self) -> int:
        """Numbers in the policy's state, ``S``."""
        return self.memory.state_size

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(B, A)`` and values ``(B,)``."""
        raise NotImplementedError

    def remember(
        self, obs: torch.Tensor, state: torch.Tensor, action: torch.Tensor
    ) -> torch.Tensor:
        """The state ``(B, S)`` after seeing an observation and taking an action."""
        return self.memory.remember(obs, state, action)


class FlatActorCritic(ActorCritic):
    """Two separate stacks of tanh layers over the whole input.

    Args:
        memory: what the policy remembers.
        hidden: widths of the hidden layers, of the actor and of the critic.
    """

    def __init__(self, memory: Memory, hidden: Sequence[int]) -> None:
        super().__init__(memory)
        self.actor = _stack(memory.num_inputs, hidden, memory.num_actions, gain=0.01)
        self.critic = _stack(memory.num_inputs, hidden, 1, gain=1.0)

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(B, A)`` and values ``(B,)``."""
        inputs = self.memory(obs, state)
        logits = self.actor(inputs).masked_fill(~self.memory.useful(state), _NEVER)
        return logits, self.critic(inputs)[:, 0]


def _stack(inputs: int, hidden: Sequence[int], outputs: int, gain: float) -> nn.Sequential:
    """Orthogonal weights, as Engstrom et al. 2020 found to matter (arXiv 2005.12729)."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [_linear(inputs, width, math.sqrt(2)), nn.Tanh()]
        inputs = width
    return nn.Sequential(*layers, _linear(inputs, outputs, gain))


def _linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
