"""What the simulator and the adapter to the official environment have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import torch

from training.cage2.codes import REDS, Red
from training.cage2.describe import describe, host_views
from training.cage2.scenario import Scenario, Variant
from training.cage2.tables import compile_tables
from training.env import Info, Transition
from training.errors import ScenarioError
from training.teacher.teacher import StateText

MIXTURE: Final = (Red.B_LINE, Red.MEANDER)


class Cage2Base(ABC):
    """A batch of CAGE-2 networks whose episodes have the same length and so end together.

    The arguments are those of :class:`training.cage2.env.Cage2`.

    Raises:
        ScenarioError: no such red agent, no environment, or episodes without a step.
    """

    def __init__(
        self,
        num_envs: int,
        generator: torch.Generator,
        red: Sequence[str],
        horizon: int,
        scenario: Scenario,
        variant: Variant,
    ) -> None:
        unknown = [name for name in red if name not in REDS]
        if unknown or not red:
            raise ScenarioError(f"no red agent {unknown or ''}: there are {', '.join(REDS)}")
        if num_envs < 1 or horizon < 1:
            raise ScenarioError(f"{num_envs} environments of {horizon} steps: at least one of each")
        self.num_envs = num_envs
        self.num_features = scenario.num_features
        self.num_actions = scenario.num_actions
        self.generator = generator
        self.device = generator.device
        self.red = tuple(red)
        self.horizon = horizon
        self.scenario = scenario
        self.variant = variant
        self.tables = compile_tables(scenario, variant, self.device)
        self._elapsed = 0
        self._last_action: torch.Tensor

    def reset(self, seed: int | None = None) -> torch.Tensor:
        """Start new episodes everywhere; a seed restarts the generator."""
        if seed is not None:
            self.generator.manual_seed(seed)
        return self._new_episodes()

    def step(self, action: torch.Tensor) -> Transition:
        """Act once in every environment; when the horizon is reached, begin new episodes.

        Args:
            action: ``(B,)`` integers in ``[0, A)``, on the device.

        Returns:
            As in :class:`training.env.VectorEnv`; the class says what else ``info`` holds.

        Raises:
            ValueError: the shape is another, or an action is out of range (looked at on the CPU
                only: on a GPU it would make every step wait).
        """
        self._check(action)
        final_obs, reward, info = self._advance(action)
        self._last_action = action.clone()
        self._elapsed += 1
        ended = self._elapsed == self.horizon
        obs = self._new_episodes() if ended else final_obs
        return obs, reward, self._flags(False), self._flags(ended), {"final_obs": final_obs, **info}

    def action_mask(self) -> torch.Tensor:
        """``(B, A)`` bool, all true: the rules forbid no action, they let some do nothing."""
        allowed = torch.ones(self.num_actions, dtype=torch.bool, device=self.device)
        return allowed.expand(self.num_envs, -1)

    def describe(self, index: int) -> StateText:
        """What the defender knows in environment ``index``, without names.

        Raises:
            IndexError: no such environment.
        """
        if not 0 <= index < self.num_envs:
            raise IndexError(f"environment {index} of {self.num_envs}")
        last = int(self._last_action[index]) if self._elapsed else None
        hosts = host_views(self.scenario, self.tables, *self._seen(index))
        return describe(self.scenario, hosts, self._elapsed, self.horizon, last)

    def _new_episodes(self) -> torch.Tensor:
        draws = torch.rand(self.num_envs, generator=self.generator, device=self.device)
        self._elapsed = 0
        return self._begin((draws * len(self.red)).long())

    @abstractmethod
    def _begin(self, red: torch.Tensor) -> torch.Tensor:
        """Begin episodes against ``(B,)`` indices into ``self.red``; the first observations."""

    @abstractmethod
    def _advance(self, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, Info]:
        """Observation ``(B, F)`` and reward ``(B,)`` after a step, and what else is known."""

    @abstractmethod
    def _seen(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Of one environment: the observation's bits ``(H, 4)`` and running decoys ``(H,)``."""

    def _flags(self, value: bool) -> torch.Tensor:
        return torch.full((self.num_envs,), value, dtype=torch.bool, device=self.device)

    def _check(self, action: torch.Tensor) -> None:
        if action.shape != (self.num_envs,):
            raise ValueError(f"actions of shape {tuple(action.shape)}, not ({self.num_envs},)")
        if action.is_cpu and not 0 <= int(action.min()) <= int(action.max()) < self.num_actions:
            raise ValueError(f"an action is not in [0, {self.num_actions})")
