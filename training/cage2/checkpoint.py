"""A trained CAGE-2 network on disk: its weights, and what it takes to build it again."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from training import checkpoint
from training.cage2.memory import Cage2Memory
from training.cage2.scenario import load
from training.cage2.settings import Blueprint
from training.errors import PolicyError
from training.networks import ActorCritic, FlatActorCritic, HostwiseActorCritic


def build(blueprint: Blueprint) -> ActorCritic:
    """The network, with weights drawn from torch's global generator."""
    memory = Cage2Memory(load(blueprint.scenario), blueprint.variant)
    if blueprint.kind == "hostwise":
        return HostwiseActorCritic(memory, blueprint.width, blueprint.rounds)
    return FlatActorCritic(memory, blueprint.hidden)


def fresh(blueprint: Blueprint, seed: int) -> ActorCritic:
    """The network, with weights drawn by a seed."""
    return checkpoint.fresh(build, blueprint, seed)


def on_scenario(
    network: ActorCritic, blueprint: Blueprint, scenario: str
) -> tuple[ActorCritic, Blueprint]:
    """The same weights on another scenario, and the blueprint of that.

    Args:
        network: a host-wise one, which is left as it is.
        blueprint: its own.
        scenario: the other one's name or file.

    Raises:
        PolicyError: the network is flat, or the scenario has other kinds of actions.
        ScenarioError: no such scenario.
    """
    if not isinstance(network, HostwiseActorCritic):
        raise PolicyError(
            f"a flat network is as wide as its scenario, {blueprint.scenario}, and plays no other:"
            " train one there, or train with --kind hostwise"
        )
    there = load(scenario)
    if there.actions != load(blueprint.scenario).actions:
        raise PolicyError(
            f"{scenario} has other kinds of actions than {blueprint.scenario}: train one there"
        )
    moved = copy.deepcopy(network)
    device = network.memory.relations.device
    moved.memory = Cage2Memory(there, blueprint.variant).to(device)
    return moved, blueprint.model_copy(update={"scenario": scenario})


def inherit(network: ActorCritic, path: Path) -> None:
    """Give a network the weights of a checkpoint, wherever that was trained.

    Raises:
        PolicyError: the file is no checkpoint, or its network has another form.
    """
    parent, blueprint, _ = read(path)
    weights = dict(parent.named_parameters())
    wanted = {name: parameter.shape for name, parameter in network.named_parameters()}
    if {name: parameter.shape for name, parameter in weights.items()} != wanted:
        form = blueprint.model_dump(include={"kind", "scenario", "hidden", "width", "rounds"})
        raise PolicyError(f"{path}: begin with a network of the same form, which is {form}")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(weights[name])


def read(path: Path) -> tuple[ActorCritic, Blueprint, dict[str, Any]]:
    """The network of a checkpoint on the CPU, its blueprint and its provenance.

    Raises:
        PolicyError: the file is no checkpoint, or its weights do not fit its blueprint.
    """
    return checkpoint.read(path, Blueprint, build)
