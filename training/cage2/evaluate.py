"""The official protocol of CAGE Challenge 2, in our simulator or in the official environment.

Three horizons, three red agents: nine cells of independent episodes. A policy's score is the sum of
the nine mean returns. No score of variant ``head`` may be compared with the published leader board,
which was measured under ``lb``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from training.cage2.codes import REDS, Red
from training.cage2.cyborg import Cyborg
from training.cage2.env import Cage2
from training.cage2.scenario import Scenario, Variant, load
from training.env import VectorEnv

HORIZONS: Final = (30, 50, 100)
OPPONENTS: Final = tuple(Red)

# Takes a generator, red's name, the horizon, and how many episodes are wanted.
Make: TypeAlias = Callable[[torch.Generator, str, int, int], VectorEnv]


class Policy(Protocol):
    """Anything that plays, such as :class:`training.cage2.onnx_policy.OnnxPolicy`."""

    def begin(self, batch: int) -> None:
        """Begin ``batch`` episodes: forget everything."""

    def act(self, obs: NDArray[np.float32]) -> NDArray[np.int64]:
        """Actions ``(batch,)`` for observations ``(batch, F)``."""


def check_observations(obs: NDArray[np.float32], episodes: int, num_features: int) -> None:
    """For policies: that there is an observation for each episode begun.

    Raises:
        ValueError: they are not ``num_features`` wide, or not one for each episode, or none.
    """
    wanted = (episodes, num_features)
    if obs.shape != wanted or not len(obs):
        raise ValueError(f"observations of shape {obs.shape}, not {wanted}")


@dataclass(frozen=True, slots=True)
class Arena:
    """Where a policy is evaluated."""

    environment: str  # "sluicegate" (and what was changed there) or "cyborg"
    variant: Variant | None  # None: whatever the checkout's code does
    scenario: Scenario
    make: Make


@dataclass(frozen=True, slots=True)
class Cell:
    """One horizon against one red agent."""

    red: str
    steps: int
    mean: float  # of the episodes' returns
    se: float  # the mean's standard error
    episodes: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A policy's score, and what it is a score of."""

    policy: str
    environment: str
    variant: str | None
    scenario: str
    seed: int
    cells: tuple[Cell, ...]

    @property
    def total(self) -> float:
        """The sum of the cells' means."""
        return math.fsum(cell.mean for cell in self.cells)

    @property
    def total_se(self) -> float:
        """The total's standard error: the cells are independent."""
        return math.hypot(*(cell.se for cell in self.cells))

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        fields = asdict(self)
        cells = list(fields.pop("cells"))
        return {"total": self.total, "total_se": self.total_se, **fields, "cells": cells}


def simulator(
    variant: Variant = Variant.HEAD, scenario: Scenario | None = None, *, disarms: bool = True
) -> Arena:
    """Our simulator on the CPU: all episodes of a cell are one batch.

    Args:
        variant: whose rules hold.
        scenario: the network; the official one if left out.
        disarms: as :class:`training.cage2.env.Cage2` has it.
    """
    network = scenario or load("official")

    def make(generator: torch.Generator, red: str, steps: int, episodes: int) -> VectorEnv:
        return Cage2(
            episodes, generator, red=[red], horizon=steps, scenario=network, variant=variant,
            disarms=disarms,
        )  # fmt: skip

    name = "sluicegate" if disarms else "sluicegate, Impact never disarmed"
    return Arena(name, variant, network, make)


def official(checkout: Path) -> Arena:
    """The official environment: as in its own script, one object plays a cell's episodes in turn.

    Args:
        checkout: a CybORG 2.1 checkout, as :class:`training.cage2.cyborg.Cyborg` takes it.
    """

    def make(generator: torch.Generator, red: str, steps: int, episodes: int) -> VectorEnv:
        return Cyborg(checkout, 1, generator, red=[red], horizon=steps)

    return Arena("cyborg", None, load("official"), make)


def evaluate(
    policy: Policy,
    arena: Arena,
    *,
    name: str,
    episodes: int = 1000,
    seed: int = 0,
    advance: Callable[[int], object] | None = None,
) -> Evaluation:
    """Play the nine cells.

    Args:
        policy: who plays.
        arena: where.
        name: what the policy is called in the result.
        episodes: of each cell, at least 2.
        seed: of the run, not negative; :func:`cell_seed` says what becomes of it.
        advance: called with the number of environment steps just made, of :func:`total_steps`.

    Raises:
        ValueError: fewer than 2 episodes have no standard error.
    """
    if episodes < 2:
        raise ValueError(f"episodes must be at least 2, not {episodes}")
    cells = []
    for steps in HORIZONS:
        for red in OPPONENTS:
            generator = torch.Generator().manual_seed(cell_seed(seed, steps, red))
            env = arena.make(generator, red, steps, episodes)
            returns = play(env, policy, episodes, advance or (lambda _: None))
            se = float(returns.std(ddof=1)) / math.sqrt(episodes)
            cells.append(Cell(red, steps, float(returns.mean()), se, episodes))
    return Evaluation(
        name, arena.environment, arena.variant, arena.scenario.name, seed, tuple(cells)
    )


def total_steps(episodes: int) -> int:
    """Environment steps of a whole run."""
    return episodes * sum(HORIZONS) * len(OPPONENTS)


def cell_seed(seed: int, steps: int, red: str) -> int:
    """The seed of a cell's generator, so that every cell is independent of the others and of order.

    It is the first 64-bit word of numpy's ``SeedSequence((seed, steps, number))``, with red's
    number in ``codes.REDS``.
    """
    word = np.random.SeedSequence((seed, steps, REDS[red])).generate_state(1, np.uint64)
    return int(word[0])


def play(
    env: VectorEnv, policy: Policy, episodes: int, advance: Callable[[int], object]
) -> NDArray[np.float64]:
    """The returns ``(episodes,)`` of so many episodes, all new.

    Args:
        env: a playground whose episodes all have the same length.
        policy: who plays.
        episodes: how many; where they are more than the environments, one batch follows another.
        advance: called with the number of environment steps just made.
    """
    device = env.generator.device
    obs = env.reset()
    batches: list[torch.Tensor] = []
    while len(batches) * env.num_envs < episodes:
        policy.begin(env.num_envs)
        total = torch.zeros(env.num_envs, dtype=torch.float64, device=device)
        ended = False
        while not ended:
            action = torch.from_numpy(policy.act(obs.cpu().numpy())).to(device)
            obs, reward, _, truncated, _ = env.step(action)
            total += reward
            ended = bool(truncated.all())
            advance(env.num_envs)
        batches.append(total)
    returns: NDArray[np.float64] = torch.cat(batches)[:episodes].cpu().numpy()
    return returns
