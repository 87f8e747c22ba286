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
    """Adam for policies."""
    return torch.optim.Adam(network.parameters(), learning_rate, eps=1e-5, fused=True)


def adamw(
    network: nn.Module, learning_rate: float, weight_decay: float, memory: float
) -> torch.optim.AdamW:
    """Adam for language models: what multiplies decays, what scales does not (arXiv 1711.05101).

    Args:
        network: its matrices decay, its vectors do not.
        learning_rate: at the start.
        weight_decay: share of a weight that goes in a step, over the learning rate.
        memory: the second moment's decay rate, beta 2.
    """
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, learning_rate, betas=(0.9, memory), fused=True)


def warmed_up(done: int, rise: int) -> float:
    """Share of the learning rate for the step after ``done`` ones, which rises over the first."""
    return min(1.0, (done + 1) / rise)


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
