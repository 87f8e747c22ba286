"""What a policy earns on whole recordings: nothing reacts, nothing is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from agent.config import GuardSettings
from training.gateway.env import Gateway
from training.gateway.recording import Recording
from training.gateway.rewards import COMPONENTS, Rewards
from training.gateway.surroundings import Surroundings
from training.gateway.tape import Tape

Chooses = Callable[[torch.Tensor], torch.Tensor]
"""Observations ``(B, F)`` to actions ``(B,)``."""


@torch.no_grad()
def score(
    recordings: Sequence[Recording],
    chooses: Chooses,
    rewards: Rewards,
    *,
    guard: GuardSettings | None = None,
    device: torch.device | None = None,
) -> dict[str, torch.Tensor]:
    """Play recordings from end to end, all at once.

    Args:
        recordings: R of them, each with a decision point at least.
        chooses: the policy.
        rewards: the table.
        guard: settings of the guard.
        device: to play on; the CPU if left out.

    Returns:
        By component of the reward, the total on each recording ``(R,)``; and ``decisions``.
    """
    place = device or torch.device("cpu")
    tape = Tape(recordings, place)
    env = Gateway(
        len(recordings),
        torch.Generator(place).manual_seed(0),  # of what does not matter
        tape,
        rewards=rewards,
        surroundings=Surroundings.still(),
        guard=guard,
    )
    playing = torch.ones(len(recordings), dtype=torch.bool, device=place)
    obs = env.place(playing, torch.arange(len(recordings), device=place), tape.begin, tape.end)
    totals = {name: torch.zeros(len(recordings), device=place) for name in COMPONENTS}
    totals["decisions"] = torch.zeros(len(recordings), device=place)
    while playing.any():
        obs, gained, ended = env.advance(chooses(obs))
        for name in COMPONENTS:
            totals[name] += gained[name] * playing
        totals["decisions"] += playing
        playing &= ~ended
    return totals
