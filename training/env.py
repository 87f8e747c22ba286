"""The contract of every playground: tensors in, tensors out, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import torch

from training.teacher.teacher import StateText

Info: TypeAlias = dict[str, torch.Tensor]
Transition: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, Info]


class VectorEnv(Protocol):
    """``num_envs`` copies of one playground, stepped together on one device.

    An environment whose episode ends in a step starts its next episode in the same step: the
    observation returned is then the new episode's first one, and ``info["final_obs"]`` holds the
    ended episode's last one.

    Attributes:
        num_envs: environments in the batch, ``B``.
        num_features: numbers in one observation, ``F``.
        num_actions: discrete actions, ``A``.
        generator: the only source of chance; everything lives on its device.
    """

    num_envs: int
    num_features: int
    num_actions: int
    generator: torch.Generator

    def reset(self, seed: int | None = None) -> torch.Tensor:
        """Start new episodes everywhere; a seed restarts the generator.

        Returns:
            The first observations, ``(B, F)`` float32.
        """

    def step(self, action: torch.Tensor) -> Transition:
        """Act once in every environment.

        Args:
            action: ``(B,)`` integers in ``[0, A)``, on the device.

        Returns:
            Observation ``(B, F)`` float32; reward ``(B,)`` float32 of the step; terminated and
            truncated ``(B,)`` bool: the episode ended by itself, or by its step limit; and info,
            tensors whose first axis is ``B``, with at least ``final_obs`` ``(B, F)`` float32: the
            observation after the step, before any new episode began.
        """

    def action_mask(self) -> torch.Tensor:
        """Which actions the rules allow now: ``(B, A)`` bool, at least one in every row."""

    def describe(self, index: int) -> StateText:
        """What the defender knows in environment ``index``, for a teacher."""


class ResumableEnv(VectorEnv, Protocol):
    """A playground whose running episodes can be put down and taken up again, bit for bit."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next steps depend on, but the generator: tensors and numbers."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that an equal playground gave."""
