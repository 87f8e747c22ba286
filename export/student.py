"""The student: a plain stack of rectified layers, all that a box has to compute."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from training.errors import PolicyError
from training.networks import stack


def fresh(widths: Sequence[int], seed: int) -> nn.Sequential:
    """A student with weights drawn by a seed; torch's global generator is left alone.

    Args:
        widths: of the inputs, of each hidden layer, and of the outputs.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return stack(widths[0], widths[1:-1], widths[-1], gain=1.0, activation="relu")


def linears(student: nn.Module) -> list[nn.Linear]:
    """Its layers with weights, in their order."""
    return [layer for layer in student.modules() if isinstance(layer, nn.Linear)]


def widths_of(student: nn.Module) -> tuple[int, ...]:
    """Of the inputs, of each hidden layer, and of the outputs."""
    layers = linears(student)
    return (layers[0].in_features, *(layer.out_features for layer in layers))


def is_student(network: nn.Module) -> bool:
    """Whether a network is such a stack itself, so that nothing has to be distilled."""
    kinds = [type(layer) for layer in network.children()]
    return bool(kinds) and kinds == [nn.Linear, *[nn.ReLU, nn.Linear] * (len(kinds) // 2)]


def of_weights(weights: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> nn.Sequential:
    """A student with these weights ``(O, I)`` and biases ``(O,)``, layer by layer."""
    widths = [weights[0][0].shape[1], *(len(bias) for _, bias in weights)]
    student = fresh(widths, seed=0)
    with torch.no_grad():
        for layer, (weight, bias) in zip(linears(student), weights, strict=True):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    return student


def saved(student: nn.Module) -> bytes:
    """The content of a student's file."""
    buffer = io.BytesIO()
    torch.save(student.state_dict(), buffer)
    return buffer.getvalue()


def loaded(path: Path) -> nn.Sequential:
    """The student of a file.

    Raises:
        PolicyError: the file holds none.
    """
    state = torch.load(path, weights_only=True)
    numbers = range(0, len(state), 2)
    try:
        return of_weights([(state[f"{n}.weight"], state[f"{n}.bias"]) for n in numbers])
    except (KeyError, RuntimeError, IndexError) as error:
        raise PolicyError(f"{path}: no weights of a stack of rectified layers ({error})") from None


@torch.no_grad()
def activations(student: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    """Of every hidden layer, ``(N, O)``, rectified."""
    found, values = [], inputs
    for layer in linears(student)[:-1]:
        values = layer(values).relu()
        found.append(values)
    return found
