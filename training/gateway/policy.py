"""A gateway policy on disk, and as the agent takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agent.config import GuardSettings
from agent.guard import floors_of, sure_of
from training import checkpoint
from training.gateway.inputs import Plain
from training.gateway.settings import Blueprint
from training.networks import ActorCritic, FlatActorCritic

FLOORS: Final = floors_of(GuardSettings())
"""Least probabilities of throttle, block and isolate."""


def build(blueprint: Blueprint) -> FlatActorCritic:
    """The network, with weights drawn from torch's global generator."""
    return FlatActorCritic(Plain(), blueprint.hidden, blueprint.activation)


def fresh(blueprint: Blueprint, seed: int) -> FlatActorCritic:
    """The network, with weights drawn by a seed."""
    return cast(FlatActorCritic, checkpoint.fresh(build, blueprint, seed))


def read(path: Path) -> tuple[ActorCritic, Blueprint, dict[str, Any]]:
    """The network of a checkpoint on the CPU, its blueprint and its provenance.

    Raises:
        PolicyError: the file is no checkpoint, or its weights do not fit its blueprint.
    """
    return checkpoint.read(path, Blueprint, build)


class Logits(nn.Module):
    """The policy alone, as bundles have it: observations ``(n, F)`` to logits ``(n, 4)``."""

    def __init__(self, network: ActorCritic) -> None:
        super().__init__()
        self.memory, self.actor = network.memory, cast(FlatActorCritic, network).actor

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Logits ``(n, 4)``."""
        logits: torch.Tensor = self.actor(self.memory(obs, obs[:, :0]))
        return logits


class Chooser:
    """A network in the place of a policy: the engine's `Judge`, and what `score` asks."""

    def __init__(self, network: ActorCritic) -> None:
        self._logits = Logits(network)

    @torch.no_grad()
    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, F)`` observations to ``(n, 4)`` logits."""
        device = next(self._logits.parameters()).device
        found: NDArray[np.float32] = (
            self._logits(torch.from_numpy(observations).to(device)).cpu().numpy()
        )
        return found

    def __call__(self, obs: torch.Tensor) -> torch.Tensor:
        """Actions ``(B,)``, as far as a guard lets them through."""
        return guarded(self.logits(obs.cpu().numpy())).to(obs.device)


def guarded(logits: NDArray[np.float32]) -> torch.Tensor:
    """The likeliest actions ``(B,)`` of logits ``(B, 4)``, by the guard's default floors."""
    proposed = logits.argmax(axis=1).astype(np.uint8)
    return torch.from_numpy(sure_of(logits, proposed, FLOORS)).long()
