"""A trained network as the ONNX policy of the CAGE-2 contract, its memory inside the graph."""

from __future__ import annotations

import torch
from torch import nn

from training.networks import ActorCritic
from training.onnx_export import to_onnx


class Greedy(nn.Module):
    """What is exported: the logits, and the state after taking the greatest of them."""

    def __init__(self, network: ActorCritic) -> None:
        super().__init__()
        self.network = network

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(B, A)`` and next state ``(B, S)``."""
        logits, _ = self.network(obs, state)
        return logits, self.network.remember(obs, state, logits.argmax(1))


def policy_onnx(network: ActorCritic) -> bytes:
    """The policy as a file's content.

    Inputs ``obs`` ``[batch, F]`` and ``state`` ``[batch, S]``, outputs ``logits`` ``[batch, A]``
    and ``next_state`` ``[batch, S]``, all float32; zeros are the state of an episode's start.
    """
    inputs = {
        "obs": torch.zeros(1, network.memory.num_features),
        "state": torch.zeros(1, network.state_size),
    }
    return to_onnx(Greedy(network), inputs, ["logits", "next_state"])
