"""CAGE-2 as a playground: ``B`` networks at once, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from training.cage2 import dynamics, monitor
from training.cage2.base import MIXTURE, Cage2Base
from training.cage2.bits import DTYPE, members
from training.cage2.codes import REDS
from training.cage2.scenario import Scenario, Variant, load
from training.cage2.state import Outcome, State, flatten, initial, unflatten
from training.env import Info


class Cage2(Cage2Base):
    """The batched simulator. ``docs/cage2.md`` has observation, actions, reward and variants.

    ``info`` holds what a policy must not see: ``blue_success`` ``(B,)`` bool, and red's action,
    ``red_kind`` and ``red_target`` ``(B,)`` int32 (``codes`` has the kinds).

    Args:
        num_envs: environments in the batch, ``B``.
        generator: the only source of chance; its device is the environments'.
        red: names of red agents (``B_line``, ``Meander``, ``Sleep``), one drawn uniformly for each
            episode; a name may be repeated to weigh more.
        horizon: steps of an episode, after which it is truncated.
        scenario: the network; the official one if left out.
        variant: whose rules hold.
        disarms: a Restore of the server disarms Impact for the rest of the episode, a fault of the
            official code; ``repaired`` does not have it anyway.
        compiled: fuse a step by ``torch.compile``: half a minute at the first step, then several
            times as fast where the batch is small or the device a GPU.

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
        disarms: bool = True,
        compiled: bool = False,
    ) -> None:
        super().__init__(num_envs, generator, red, horizon, scenario or load("official"), variant)
        if not disarms:
            self.tables = replace(self.tables, disarms=False)
        self._kinds = torch.tensor([REDS[name] for name in red], dtype=DTYPE, device=self.device)
        transition = self._transition
        self._move = torch.compile(transition, dynamic=False) if compiled else transition
        self._state: State
        self._new_episodes()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next steps depend on, but the generator."""
        last = self._last_action if self._elapsed else None
        return {"state": flatten(self._state), "elapsed": self._elapsed, "last_action": last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that an equal playground gave."""
        self._state = unflatten([tensor.to(self.device) for tensor in state["state"]])
        self._elapsed = state["elapsed"]
        if self._elapsed:
            self._last_action = state["last_action"].to(self.device)

    def state_bytes(self) -> int:
        """Memory of the batch's state between steps, tensors only."""
        return sum(tensor.nbytes for tensor in flatten(self._state))

    def _begin(self, red: torch.Tensor) -> torch.Tensor:
        self._state = initial(self.tables, self._kinds[red])
        return monitor.observe(self.tables, self._state.view)

    def _advance(self, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, Info]:
        chance = torch.rand(
            (dynamics.CHANCES, self.num_envs), generator=self.generator, device=self.device
        )
        state, outcome, obs = self._move(flatten(self._state), action, chance)
        self._state = unflatten(state)
        info = outcome._asdict()
        return obs, info.pop("reward"), info

    def _transition(
        self, state: list[torch.Tensor], action: torch.Tensor, chance: torch.Tensor
    ) -> tuple[list[torch.Tensor], Outcome, torch.Tensor]:
        """One step over flat states: torch 2.11 cannot compile nested named tuples."""
        after, outcome = dynamics.advance(self.tables, unflatten(state), action, chance)
        return flatten(after), outcome, monitor.observe(self.tables, after.view)

    def _seen(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        view = torch.stack([plane[index] for plane in self._state.view])
        return members(view, self.tables.hosts), self._state.decoys[:, index]
