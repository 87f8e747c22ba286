"""Training a CAGE-2 defender from settings to a network on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from training.cage2.checkpoint import build, save
from training.cage2.env import Cage2
from training.cage2.scenario import load
from training.cage2.settings import Blueprint
from training.device import pick
from training.ppo import PPO
from training.run import run
from training.settings import Ending, Settings


def train(
    checkpoint: Path,
    blueprint: Blueprint,
    settings: Settings,
    ending: Ending,
    *,
    red: Sequence[str],
    horizon: int,
    device: str = "cpu",
    compiled: bool = False,
    show: Callable[[dict[str, float]], object] = lambda _: None,
) -> dict[str, Any]:
    """Train in the checkpoint's folder; a run that was cut off there goes on.

    Args:
        checkpoint: the network's file.
        blueprint: the network, and what it defends.
        settings: of PPO.
        ending: when to stop early.
        red: names of red agents, one drawn for each episode.
        horizon: steps of an episode.
        device: of everything.
        compiled: compile the simulator's step.
        show: called with every row of metrics.

    Returns:
        As :func:`training.run.run`.

    Raises:
        DeviceMissing: torch has no such device here.
        RunError: the folder holds another run, or one that has ended.
        ScenarioError: no such scenario or red agent.
    """
    place = pick(device)
    # The weights' chance is torch's global generator, as everywhere in torch; ours is left alone.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build(blueprint).to(place)
    env = Cage2(
        settings.num_envs,
        torch.Generator(place),
        red=red,
        horizon=horizon,
        scenario=load(blueprint.scenario),
        variant=blueprint.variant,
        compiled=compiled,
    )
    about = {
        "network": blueprint.model_dump(mode="json"),
        "red": [str(name) for name in red],
        "horizon": horizon,
    }
    provenance = {**about, "ppo": settings.model_dump()}
    return run(
        PPO(env, network, settings),
        checkpoint.parent,
        about,
        ending=ending,
        show=show,
        finish=lambda result: save(checkpoint, network, blueprint, {**provenance, **result}),
    )
