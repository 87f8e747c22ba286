"""What a policy keeps between the steps of an episode, inside its graph."""

from __future__ import annotations

import torch
from torch import nn


class Memory(nn.Module):
    """Keeps nothing; the base of memories that do.

    A memory is a state of ``state_size`` numbers, zeros when an episode begins. It is a function
    of the observations and the policy's own actions, not learned: training needs no recurrence.

    Args:
        num_features: numbers in an observation, ``F``.
        num_actions: discrete actions, ``A``.
        state_size: numbers in the state, ``S``; ONNX has no tensors without numbers, so at least 1.
        num_inputs: numbers that a network gets; the observation's and the state's if left out.
    """

    def __init__(
        self,
        num_features: int,
        num_actions: int,
        state_size: int = 1,
        num_inputs: int | None = None,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.num_actions = num_actions
        self.state_size = state_size
        self.num_inputs = num_inputs or num_features + state_size

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """A network's inputs ``(B, num_inputs)``."""
        return torch.cat([obs, state], 1)

    def remember(
        self, obs: torch.Tensor, state: torch.Tensor, action: torch.Tensor
    ) -> torch.Tensor:
        """The state ``(B, S)`` after seeing an observation and taking an action."""
        return state

    def useful(self, state: torch.Tensor) -> torch.Tensor:
        """``(B, A)`` bool: the actions that could change anything."""
        return torch.ones(len(state), self.num_actions, dtype=torch.bool, device=state.device)
