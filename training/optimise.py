"""What every gradient descent here has in common: a falling learning rate, and a clipped step."""

from __future__ import annotations

import math

import torch
from torch import nn

from training.settings import Schedule


def remaining(schedule: Schedule, progress: float) -> float:
    """Share of what there was at the start, in [0, 1], when a share ``progress`` is done."""
    ahead = max(0.0, 1 - progress)
    return {
        "constant": 1.0,
        "linear": ahead,
        "cosine": (1 - math.cos(math.pi * ahead)) / 2,
    }[schedule]


def adam(network: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """The optimiser of all learners here."""
    return torch.optim.Adam(network.parameters(), learning_rate, eps=1e-5, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Learn at this rate from now on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def descend(
    loss: torch.Tensor, optimizer: torch.optim.Optimizer, max_grad_norm: float
) -> torch.Tensor:
    """A step down the loss's gradient, clipped to a length; its length before."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, max_grad_norm)
    optimizer.step()
    return norm
