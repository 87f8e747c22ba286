"""A teacher as a player: it takes the action that it would advise most."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from training.cage2.describe import describe, host_views
from training.cage2.evaluate import check_observations
from training.cage2.memory import Cage2Memory
from training.cage2.scenario import Scenario, Variant
from training.cage2.tables import compile_tables
from training.teacher.teacher import StateText, Teacher


class TeacherPolicy:
    """Plays greedily by a teacher's advice, from observations and its own memory alone.

    Args:
        teacher: who advises.
        scenario: the network.
        variant: whose rules of placing decoys hold.
        horizon: how many steps the teacher is told that an episode has; observations do not say.
    """

    def __init__(
        self,
        teacher: Teacher,
        scenario: Scenario,
        variant: Variant = Variant.HEAD,
        *,
        horizon: int = 100,
    ) -> None:
        self.teacher = teacher
        self.scenario = scenario
        self.horizon = horizon
        self._memory = Cage2Memory(scenario, variant)
        self._tables = compile_tables(scenario, variant, torch.device("cpu"))
        self.begin(0)

    def begin(self, batch: int) -> None:
        """Begin ``batch`` episodes: forget everything."""
        self._state = torch.zeros(batch, self._memory.state_size)
        self._step = 0
        self._last: torch.Tensor | None = None

    def act(self, obs: NDArray[np.float32]) -> NDArray[np.int64]:
        """The actions that the teacher advises most, the first of equals; the memory moves on.

        Args:
            obs: ``(batch, F)``, in the order of the call before.

        Returns:
            ``(batch,)`` integers in ``[0, A)``.

        Raises:
            ValueError: the observations are not ``F`` wide, or not one for each episode begun.
        """
        check_observations(obs, len(self._state), self.scenario.num_features)
        seen = torch.from_numpy(np.ascontiguousarray(obs, dtype=np.float32))
        self._last = self.teacher.distribution(self._texts(seen)).argmax(1)
        self._state = self._memory.remember(seen, self._state, self._last)
        self._step += 1
        return self._last.numpy()

    def _texts(self, obs: torch.Tensor) -> list[StateText]:
        """What the playground would say of each episode, with what is remembered."""
        bits = obs.view(len(obs), -1, 4)
        each = torch.arange(self._memory.decoys)
        running = (self._memory.running(self._state).long() << each).sum(2)
        last = [None] * len(obs) if self._last is None else self._last.tolist()
        texts = []
        for i, action in enumerate(last):
            hosts = host_views(self.scenario, self._tables, bits[i], running[i])
            text = describe(self.scenario, hosts, self._step, self.horizon, action)
            texts.append(self._memory.recall(text, self._state[i]))
        return texts
