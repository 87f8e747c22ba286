"""The smallest playground that has everything: chance, both endings, a mask, and words."""

from __future__ import annotations

import torch

from training.env import Transition
from training.teacher.teacher import StateText

CELLS = 5
LEFT, RIGHT, STAY = range(3)


class ToyEnv:
    """A random walk on five cells that ends at either end, or after ``limit`` steps.

    The observation is the cell, one-hot, and the share of the limit that has passed. A step in the
    chosen direction slips and goes nowhere with probability ``slip``; ``STAY`` is allowed in the
    middle only.
    """

    num_features = CELLS + 1
    num_actions = 3

    def __init__(
        self,
        generator: torch.Generator,
        num_envs: int = 4,
        *,
        limit: int = 6,
        slip: float = 0.2,
        random_start: bool = True,
    ) -> None:
        self.generator = generator
        self.num_envs = num_envs
        self.limit, self.slip, self.random_start = limit, slip, random_start
        self.cell = torch.full((num_envs,), CELLS // 2, device=generator.device)
        self.time = torch.zeros_like(self.cell)

    def starts(self) -> torch.Tensor:
        if not self.random_start:
            return torch.full_like(self.cell, CELLS // 2)
        size, device = (self.num_envs,), self.generator.device
        return torch.randint(1, CELLS - 1, size, generator=self.generator, device=device)

    def observe(self) -> torch.Tensor:
        place = torch.nn.functional.one_hot(self.cell, CELLS)
        return torch.cat([place, self.time[:, None] / self.limit], 1).float()

    def reset(self, seed: int | None = None) -> torch.Tensor:
        if seed is not None:
            self.generator.manual_seed(seed)
        self.cell = self.starts()
        self.time = torch.zeros_like(self.cell)
        return self.observe()

    def step(self, action: torch.Tensor) -> Transition:
        if bool(((action < 0) | (action >= self.num_actions)).any()):
            raise ValueError("no such action")
        chance = torch.rand(self.num_envs, generator=self.generator, device=self.generator.device)
        slipped = (chance < self.slip) & (action != STAY)
        way = (action == RIGHT).long() - (action == LEFT).long()
        self.cell = self.cell + way * ~slipped
        self.time = self.time + 1
        terminated = (self.cell == 0) | (self.cell == CELLS - 1)
        truncated = (self.time == self.limit) & ~terminated
        reward = (self.cell == CELLS - 1).float() - (self.cell == 0).float() - 0.125
        info = {"final_obs": self.observe(), "slipped": slipped, "time": self.time}
        ended = terminated | truncated
        self.cell = torch.where(ended, self.starts(), self.cell)
        self.time = torch.where(ended, 0, self.time)
        return self.observe(), reward, terminated, truncated, info

    def action_mask(self) -> torch.Tensor:
        mask = torch.ones(self.num_envs, self.num_actions, dtype=torch.bool)
        mask = mask.to(self.generator.device)
        mask[:, STAY] = self.cell == CELLS // 2
        return mask

    def describe(self, index: int) -> StateText:
        if index >= self.num_envs:
            raise IndexError(index)
        cell = int(self.cell[index])
        return StateText({"cell": cell}, (f"You stand on cell {cell}.",), ("left", "right", "stay"))
