"""A trained network on disk: its weights, its blueprint, and where it comes from."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel

from training.errors import PolicyError
from training.networks import ActorCritic

B = TypeVar("B", bound=BaseModel)


def fresh(build: Callable[[B], ActorCritic], blueprint: B, seed: int) -> ActorCritic:
    """A network with weights drawn by a seed; torch's global generator is left alone.

    Args:
        build: draws weights from torch's global generator.
        blueprint: of the network.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(blueprint)


def save(
    path: Path, network: ActorCritic, blueprint: BaseModel, provenance: dict[str, Any]
) -> None:
    """Write a checkpoint, whole or not at all."""
    content = {
        "blueprint": blueprint.model_dump(mode="json"),
        "weights": {name: value.cpu() for name, value in network.state_dict().items()},
        "provenance": provenance,
    }
    unfinished = path.with_suffix(".part")
    try:
        torch.save(content, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read(
    path: Path, kind: type[B], build: Callable[[B], ActorCritic]
) -> tuple[ActorCritic, B, dict[str, Any]]:
    """The network of a checkpoint on the CPU, its blueprint and its provenance.

    Args:
        path: of the file.
        kind: of blueprints.
        build: makes a network of one.

    Raises:
        PolicyError: the file is no checkpoint, or its weights do not fit its blueprint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        blueprint = kind.model_validate(content["blueprint"])
        network = build(blueprint)
        network.load_state_dict(content["weights"])
        provenance = content["provenance"]
    except FileNotFoundError:
        raise PolicyError(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:
        raise PolicyError(f"{path}: no checkpoint that torch can read") from error
    except Exception as error:  # torch.load raises whatever a damaged file makes it meet
        reason = " ".join(str(error).split())[:200]
        raise PolicyError(f"{path}: no checkpoint of such a network ({reason})") from error
    return network, blueprint, provenance
