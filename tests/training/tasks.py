"""Two tasks that a working learner solves in seconds, and the memory that the second one needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from training.env import Transition
from training.memory import Memory
from training.teacher.teacher import StateText

SYMBOLS = 4


class Identity:
    """Say the symbol that is shown, for reward 1; a new one each step, ``limit`` steps."""

    num_features = SYMBOLS
    num_actions = SYMBOLS

    def __init__(self, generator: torch.Generator, num_envs: int = 16, *, limit: int = 8) -> None:
        self.generator, self.num_envs, self.limit = generator, num_envs, limit
        self.symbol = torch.zeros(num_envs, dtype=torch.long, device=generator.device)
        self.time = torch.zeros_like(self.symbol)

    def draw(self) -> torch.Tensor:
        size, device = (self.num_envs,), self.generator.device
        return torch.randint(SYMBOLS, size, generator=self.generator, device=device)

    def observe(self) -> torch.Tensor:
        return torch.nn.functional.one_hot(self.symbol, SYMBOLS).float()

    def reset(self, seed: int | None = None) -> torch.Tensor:
        if seed is not None:
            self.generator.manual_seed(seed)
        self.symbol, self.time = self.draw(), torch.zeros_like(self.time)
        return self.observe()

    def step(self, action: torch.Tensor) -> Transition:
        if bool(((action < 0) | (action >= self.num_actions)).any()):
            raise ValueError("no such action")
        reward = self.reward(action)
        self.time = self.time + 1
        ended = self.time == self.limit
        self.advance()
        info = {"final_obs": self.observe()}
        self.symbol = torch.where(ended, self.draw(), self.symbol)
        self.time = torch.where(ended, 0, self.time)
        return self.observe(), reward, *self.endings(ended), info

    def reward(self, action: torch.Tensor) -> torch.Tensor:
        return (action == self.symbol).float()

    def advance(self) -> None:
        self.symbol = self.draw()

    def endings(self, ended: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """By itself, by the limit."""
        return torch.zeros_like(ended), ended

    def action_mask(self) -> torch.Tensor:
        return torch.ones(self.num_envs, self.num_actions, dtype=torch.bool)

    def describe(self, index: int) -> StateText:
        if index >= self.num_envs:
            raise IndexError(index)
        symbol = int(self.symbol[index])
        actions = tuple(f"say {n}" for n in range(SYMBOLS))
        return StateText({"symbol": symbol}, (f"You see {symbol}.",), actions)

    def state_dict(self) -> dict[str, Any]:
        return {"symbol": self.symbol, "time": self.time}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        device = self.generator.device
        self.symbol, self.time = state["symbol"].to(device), state["time"].to(device)


class Recall(Identity):
    """At the last of four steps, say the symbol that was shown at the first, for reward 1.

    The observation is the symbol, at the first step only, and the share of the limit that has
    passed.
    """

    num_features = SYMBOLS + 1

    def __init__(self, generator: torch.Generator, num_envs: int = 16, *, limit: int = 4) -> None:
        super().__init__(generator, num_envs, limit=limit)

    def observe(self) -> torch.Tensor:
        shown = super().observe() * (self.time == 0)[:, None]
        return torch.cat([shown, self.time[:, None] / self.limit], 1)

    def reward(self, action: torch.Tensor) -> torch.Tensor:
        return super().reward(action) * (self.time == self.limit - 1)

    def advance(self) -> None:
        """The symbol stays."""

    def endings(self, ended: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return ended, torch.zeros_like(ended)


class FirstSight(Memory):
    """Keeps an episode's first observation."""

    def __init__(self, num_features: int, num_actions: int) -> None:
        super().__init__(num_features, num_actions, state_size=num_features)

    def remember(
        self, obs: torch.Tensor, state: torch.Tensor, action: torch.Tensor
    ) -> torch.Tensor:
        return torch.where(state.any(1, keepdim=True), state, obs)
