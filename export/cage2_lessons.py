"""Lessons of a CAGE-2 policy: states that play leads to, and what the trained network says there.

The student's own play decides which states it must know (Ross et al. 2011, arXiv 1011.0686), so it
plays as soon as it can. States are kept and drawn several times, for playing costs more than
learning; the oldest make room for new ones.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict, Field

from export.lessons import Examples
from training.cage2.codes import Red
from training.cage2.env import Cage2
from training.cage2.scenario import load
from training.cage2.settings import Blueprint
from training.memory import NEVER
from training.networks import ActorCritic
from training.ppo import sample
from training.settings import Fraction, Positive

Player = Callable[[torch.Tensor], torch.Tensor]
"""From inputs ``(N, I)`` to logits ``(N, A)``."""


class Play(BaseModel):
    """Where the states come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_envs: Positive = Field(256, description="environments in the batch")
    horizon: Positive = Field(100, description="steps of an episode")
    red: tuple[Red, ...] = Field(
        (*(Red.B_LINE, Red.MEANDER) * 4, Red.SLEEP),
        description="one drawn for each episode; against the last, to do nothing has to be learned",
    )
    greedy: Fraction = Field(
        0.5, description="share of environments in which the likeliest action is played"
    )
    kept: Positive = Field(100, description="steps of every environment to draw from")
    rollout: Positive = Field(10, description="steps played at once, which replace the oldest")
    reuse: float = Field(4.0, gt=0, description="how often a state is drawn, on average")


class Cage2Lessons:
    """States of play, a pool of them, with the trained network as the teacher.

    Args:
        network: the teacher; it plays until there is another `player`.
        blueprint: of the network.
        play: where the states come from.
        seed: of all chance.

    Attributes:
        player: who plays from now on, from inputs to logits; none: the teacher.
    """

    def __init__(self, network: ActorCritic, blueprint: Blueprint, play: Play, seed: int) -> None:
        self.player: Player | None = None
        self._network, self._play = network, play
        self._generator = torch.Generator().manual_seed(seed)
        self._env = Cage2(
            play.num_envs,
            self._generator,
            red=play.red,
            horizon=play.horizon,
            scenario=load(blueprint.scenario),
            variant=blueprint.variant,
        )
        self._obs = self._env.reset()
        self._state = torch.zeros(play.num_envs, network.state_size)
        size, memory = play.kept * play.num_envs, network.memory
        self._inputs = torch.empty(size, memory.num_inputs)
        self._logits = torch.empty(size, memory.num_actions)
        self._filled = self._next = self._drawn = 0

    @torch.no_grad()
    def draw(self, count: int) -> Examples:
        """So many examples from the pool, after some more play if it has been drawn often."""
        while self._filled < len(self._inputs) or self._drawn >= self._due:
            self._drawn = 0
            for _ in range(self._play.rollout):
                self._step()
        self._drawn += count
        index = torch.randint(self._filled, (count,), generator=self._generator)
        return Examples(self._inputs[index], self._logits[index])

    @property
    def _due(self) -> float:
        return self._play.reuse * self._play.rollout * self._play.num_envs

    def _step(self) -> None:
        """Look at every environment, then act in it."""
        memory, obs, state = self._network.memory, self._obs, self._state
        inputs, (logits, _) = memory(obs, state), self._network(obs, state)
        self._keep(inputs, logits)
        if self.player is not None:
            logits = self.player(inputs).masked_fill(~memory.useful(state), NEVER)
        action = self._act(logits)
        self._obs, _, terminated, truncated, _ = self._env.step(action)
        goes_on = ~(terminated | truncated)[:, None]
        self._state = memory.remember(obs, state, action) * goes_on

    def _act(self, logits: torch.Tensor) -> torch.Tensor:
        """The likeliest action in the first environments, one that is drawn in the others."""
        greedy = round(self._play.greedy * len(logits))
        drawn = sample(logits[greedy:], self._generator)
        return torch.cat([logits[:greedy].argmax(1), drawn])

    def _keep(self, inputs: torch.Tensor, logits: torch.Tensor) -> None:
        here = slice(self._next, self._next + len(inputs))
        self._inputs[here], self._logits[here] = inputs, logits
        self._filled = max(self._filled, here.stop)
        self._next = here.stop % len(self._inputs)
