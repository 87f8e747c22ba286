"""CAGE-2 as a playground: ``B`` networks at once, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Final

import torch

from training.cage2 import blue, dynamics, monitor
from training.cage2.bits import DTYPE, members
from training.cage2.codes import REDS
from training.cage2.describe import HostView, describe
from training.cage2.scenario import Scenario, Variant, load
from training.cage2.state import Outcome, State, flatten, initial, unflatten
from training.cage2.tables import compile_tables
from training.env import Transition
from training.errors import ScenarioError
from training.teacher.teacher import StateText

MIXTURE: Final = ("B_line", "Meander")


class Cage2:
    """A batch of CAGE-2 networks, each against a red agent drawn for every episode.

    All episodes have the same length and so end together. Observation, actions, reward and
    variants are in ``docs/cage2.md``.

    Args:
        num_envs: environments in the batch, ``B``.
        generator: the only source of chance; its device is the environments'.
        red: names of red agents (``B_line``, ``Meander``, ``Sleep``), one drawn uniformly for each
            episode; a name may be repeated to weigh more.
        horizon: steps of an episode, after which it is truncated.
        scenario: the network; the official one if left out.
        variant: whose rules hold.
        compiled: fuse a step by ``torch.compile``: half a minute at the first step, then faster.

    Raises:
        ScenarioError: no such red agent, no environment, or episodes without a step.
    """

    def __init__(
        self,
        num_envs: int,
        generator: torch.Generator,
        *,
        red: Sequence[str] = MIXTURE,
        horizon: int = 100,
        scenario: Scenario | None = None,
        variant: Variant = Variant.HEAD,
        compiled: bool = False,
    ) -> None:
        if not red or (unknown := [name for name in red if name not in REDS]):
            raise ScenarioError(f"no red agent {unknown}: there are {', '.join(REDS)}")
        if num_envs < 1 or horizon < 1:
            raise ScenarioError(f"{num_envs} environments of {horizon} steps: at least one of each")
        self.scenario = scenario or load("official")
        self.variant = variant
        self.num_envs = num_envs
        self.num_features = self.scenario.num_features
        self.num_actions = self.scenario.num_actions
        self.generator = generator
        self.horizon = horizon
        self.device = generator.device
        self.tables = compile_tables(self.scenario, variant, self.device)
        self._reds = torch.tensor([REDS[name] for name in red], dtype=DTYPE, device=self.device)
        self._advance = torch.compile(self._transition) if compiled else self._transition
        self._state: State
        self._step = 0
        self._begin()

    def reset(self, seed: int | None = None) -> torch.Tensor:
        """Start new episodes everywhere; a seed restarts the generator."""
        if seed is not None:
            self.generator.manual_seed(seed)
        return self._begin()

    def step(self, action: torch.Tensor) -> Transition:
        """Act once in every environment; when the horizon is reached, begin new episodes.

        Args:
            action: ``(B,)`` integers in ``[0, A)``, on the device.

        Returns:
            As in :class:`training.env.VectorEnv`. ``info`` also holds ``blue_success`` ``(B,)``
            bool, and red's action, ``red_kind`` and ``red_target`` ``(B,)`` int32, all of them
            hidden from a policy.

        Raises:
            ValueError: the shape is another, or an action is out of range (looked at on the CPU
                only: on a GPU it would make every step wait).
        """
        self._check(action)
        chance = torch.rand(
            (dynamics.CHANCES, self.num_envs), generator=self.generator, device=self.device
        )
        tensors, outcome, final_obs = self._advance(flatten(self._state), action, chance)
        self._state = unflatten(tensors)
        self._last_action = action.clone()
        self._step += 1
        ended = self._step == self.horizon
        info = {
            "final_obs": final_obs,
            "blue_success": outcome.blue_success,
            "red_kind": outcome.red_kind,
            "red_target": outcome.red_target,
        }
        obs = self._begin() if ended else final_obs
        return obs, outcome.reward, self._flags(False), self._flags(ended), info

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
        last = int(self._last_action[index]) if self._step else None
        return describe(self.scenario, self._hosts(index), self._step, self.horizon, last)

    def state_bytes(self) -> int:
        """Memory of the batch's state between steps, tensors only."""
        return sum(tensor.nbytes for tensor in flatten(self._state))

    def _hosts(self, index: int) -> list[HostView]:
        decoys, hosts = self.scenario.catalogue.decoys, self.tables.hosts
        running = self._state.decoys[:, index].to(DTYPE)
        pairs = torch.arange(hosts * len(decoys), dtype=DTYPE, device=self.device)
        host, decoy = pairs // len(decoys), pairs % len(decoys)
        free = blue.placeable(self.tables, host, running[host], decoy)
        names = [decoy.name for decoy in decoys]
        view = torch.stack(self._state.view)[:, index]
        views = members(view, hosts).tolist()
        runs_there = members(running, len(decoys)).t().tolist()
        fits_there = free.view(hosts, -1).tolist()
        return [
            HostView(
                activity=active + exploited,
                verdict=suspected + 2 * confirmed,
                decoys=tuple(compress(names, runs)),
                free=tuple(compress(names, fits)),
            )
            for (active, exploited, suspected, confirmed), runs, fits in zip(
                views, runs_there, fits_there, strict=True
            )
        ]

    def _begin(self) -> torch.Tensor:
        """Draw a red agent for every environment and give the first observation."""
        draws = torch.rand(self.num_envs, generator=self.generator, device=self.device)
        red = self._reds[(draws * len(self._reds)).long()]
        self._state = initial(self.tables, red)
        self._step = 0
        return monitor.observe(self.tables, self._state.view)

    def _transition(
        self, state: list[torch.Tensor], action: torch.Tensor, chance: torch.Tensor
    ) -> tuple[list[torch.Tensor], Outcome, torch.Tensor]:
        """One step over flat states: torch 2.11 cannot compile nested named tuples."""
        after, outcome = dynamics.advance(self.tables, unflatten(state), action, chance)
        return flatten(after), outcome, monitor.observe(self.tables, after.view)

    def _flags(self, value: bool) -> torch.Tensor:
        return torch.full((self.num_envs,), value, dtype=torch.bool, device=self.device)

    def _check(self, action: torch.Tensor) -> None:
        if action.shape != (self.num_envs,):
            raise ValueError(f"actions of shape {tuple(action.shape)}, not ({self.num_envs},)")
        if action.is_cpu and not 0 <= int(action.min()) <= int(action.max()) < self.num_actions:
            raise ValueError(f"an action is not in [0, {self.num_actions})")
