"""Actor-critics: a policy's logits and a critic's value from an observation and a memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import nn

from training.memory import NEVER, HostMemory, Memory
from training.settings import Activation

_ACTIVATIONS: Final[dict[Activation, type[nn.Module]]] = {"tanh": nn.Tanh, "relu": nn.ReLU}
# How much less a host's logits are than those of the host before it. Hosts that are alike in all
# would tie; then rounding would choose, which is different in every runtime and batch.
_TIE: Final = 1e-4


def stack(
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    gain: float,
    activation: Activation = "tanh",
) -> nn.Sequential:
    """Layers with orthogonal weights, as Engstrom et al. 2020 found to matter (arXiv 2005.12729).

    Args:
        inputs: of the first layer.
        hidden: widths.
        outputs: of the last layer, on which no activation follows.
        gain: of the last layer's weights.
        activation: of the hidden layers.
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [_linear(inputs, width, math.sqrt(2)), _ACTIVATIONS[activation]()]
        inputs = width
    return nn.Sequential(*layers, _linear(inputs, outputs, gain))


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
    """Two separate stacks of layers over the whole input.

    Args:
        memory: what the policy remembers.
        hidden: widths of the hidden layers, of the actor and of the critic.
        activation: of the hidden layers.
    """

    def __init__(
        self, memory: Memory, hidden: Sequence[int], activation: Activation = "tanh"
    ) -> None:
        super().__init__(memory)
        self.actor = stack(memory.num_inputs, hidden, memory.num_actions, 0.01, activation)
        self.critic = stack(memory.num_inputs, hidden, 1, 1.0, activation)

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(B, A)`` and values ``(B,)``."""
        inputs = self.memory(obs, state)
        logits = self.actor(inputs).masked_fill(~self.memory.useful(state), NEVER)
        return logits, self.critic(inputs)[:, 0]


class HostwiseActorCritic(ActorCritic):
    """The same weights for every host, so that one policy plays networks of any size.

    What stands for a host comes from its own inputs, then from messages: rounds in which it hears
    the mean of each relation and of all hosts (GraphSAGE, Hamilton et al. 2017, arXiv 1706.02216,
    with weights for each relation as in R-GCN, Schlichtkrull et al. 2018, arXiv 1703.06103). It
    gives the logits of the host's actions; the hosts' mean and maximum give those of the others.
    Of hosts that are alike in all, the first is preferred by a trifle.

    Args:
        memory: what the policy remembers of each host.
        width: numbers that stand for a host, ``W``.
        rounds: of messages.
    """

    memory: HostMemory

    def __init__(self, memory: HostMemory, width: int, rounds: int) -> None:
        super().__init__(memory)
        inputs, kinds = memory.num_host_inputs, memory.num_kinds
        relations = len(memory.relations)
        self.enter = _linear(inputs, width, math.sqrt(2))
        self.rounds = nn.ModuleList(_Round(width, relations) for _ in range(rounds))
        self.on_host = _linear(width, kinds, 0.01)
        self.on_none = _linear(2 * width, memory.num_actions - kinds * memory.hosts, 0.01)
        # The critic has its own weights, so that neither loss pulls at the other's; a value sums up
        # all hosts, and messages between them would cost half of everything again.
        self.critic_enter = _linear(inputs, width, math.sqrt(2))
        self.critic = stack(2 * width, [2 * width], 1, gain=1.0)

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(B, A)`` and values ``(B,)``."""
        # Hosts first: then the means of all relations are a single product of matrices.
        inputs = self.memory.host_inputs(obs, state).transpose(0, 1)
        hosts = self.enter(inputs).tanh()
        for hear in self.rounds:
            hosts = hear(hosts, self.memory.relations)
        later = _TIE * torch.arange(self.memory.hosts, device=hosts.device)
        by_kind = (self.on_host(hosts).permute(1, 2, 0) - later).flatten(1)
        logits = torch.cat([self.on_none(_pooled(hosts)), by_kind], 1)
        value = self.critic(_pooled(self.critic_enter(inputs).tanh()))
        return logits.masked_fill(~self.memory.useful(state), NEVER), value[:, 0]


class _Round(nn.Module):
    """Every host hears of others, and keeps what it knew."""

    def __init__(self, width: int, relations: int) -> None:
        super().__init__()
        self.near = _linear((1 + relations) * width, width, math.sqrt(2))
        self.all = _linear(width, width, 1.0)

    def forward(self, hosts: torch.Tensor, relations: torch.Tensor) -> torch.Tensor:
        """``(H, B, W)`` from ``(H, B, W)`` and the relations' means ``(R, H, H)``."""
        count = relations.shape[1]
        means = relations.flatten(0, 1) @ hosts.reshape(count, -1)
        heard = means.view(-1, count, *hosts.shape[1:]).unbind(0)
        return hosts + (self.near(torch.cat([hosts, *heard], 2)) + self.all(hosts.mean(0))).tanh()


def _pooled(hosts: torch.Tensor) -> torch.Tensor:
    """``(B, 2 * W)`` from ``(H, B, W)``: the maximum finds one host among any number of others."""
    return torch.cat([hosts.mean(0), hosts.amax(0)], 1)


def _linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
