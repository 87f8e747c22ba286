"""What a policy keeps between the steps of an episode, inside its graph."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from training.teacher.teacher import StateText

NEVER: Final = -1e9
"""Logit of an action that is out of the question; probabilities of it are 0, and finite."""


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

    def recall(self, text: StateText, state: torch.Tensor) -> StateText:
        """A state's text with what is remembered of the episode added.

        Args:
            text: what the playground says of one environment now.
            state: ``(S,)`` what is remembered there.
        """
        return text


class HostMemory(Memory):
    """A memory of hosts, for policies that have the same weights for all of them.

    The first actions concern no host; then follow kinds of actions, each over all hosts in order.

    Args:
        num_features: numbers in an observation, ``F``.
        num_actions: discrete actions, ``A``.
        state_size: numbers in the state, ``S``.
        num_inputs: numbers that a network gets which takes the hosts together.
        num_host_inputs: numbers that say how it is with one host.
        num_kinds: kinds of actions that exist for every host.
        relations: ``(R, H, H)``, 1 where what happens to the column's host concerns the row's;
            kept with rows that sum to 1 or 0, so that a product with them is a mean.
    """

    relations: torch.Tensor

    def __init__(
        self,
        num_features: int,
        num_actions: int,
        state_size: int,
        num_inputs: int,
        *,
        num_host_inputs: int,
        num_kinds: int,
        relations: torch.Tensor,
    ) -> None:
        super().__init__(num_features, num_actions, state_size, num_inputs)
        self.hosts = relations.shape[1]
        self.num_host_inputs, self.num_kinds = num_host_inputs, num_kinds
        means = relations / relations.sum(2, keepdim=True).clamp(min=1)
        # No part of a checkpoint: its weights may come to hosts that are related otherwise.
        self.register_buffer("relations", means, persistent=False)

    def host_inputs(self, obs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """``(B, H, num_host_inputs)``."""
        raise NotImplementedError
