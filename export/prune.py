"""Structured pruning: whole hidden units go, and the others learn to do without them.

A unit's importance is what it says times what is made of it: its mean activation times the norm of
its outgoing weights (Hu et al. 2016, arXiv 1607.03250, for the activation; Li et al. 2017, arXiv
1608.08710, for the norm). Units go a few at a time with learning in between, so that what a unit
knew can move (Zhu and Gupta 2017, arXiv 1710.01878). What is left is a smaller dense network: no
sparse kernel is needed to gain from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from export.lessons import Lessons, learn
from export.settings import Pruning
from export.student import activations, linears, of_weights, widths_of

_LOOKED_AT = 8192  # examples by which importance is judged


def prune(
    student: nn.Module,
    lessons: Lessons,
    share: float,
    pruning: Pruning,
    show: Callable[[int], object] = lambda _: None,
) -> nn.Sequential:
    """A student with a share of every hidden layer's units gone; one that is left at least.

    Args:
        student: is not changed.
        lessons: to learn from in between.
        share: of the units, at least 0 and below 1.
        pruning: how.
        show: called with the steps of learning that are done.

    Raises:
        ValueError: the share is out of range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the share to prune is {share}; it must be at least 0 and below 1")
    wide = widths_of(student)[1:-1]
    left = _copy(student)
    for number in range(pruning.rounds):
        done = (number + 1) / pruning.rounds
        goal = [max(1, round(width * (1 - share * done))) for width in wide]
        inputs = lessons.draw(_LOOKED_AT).inputs
        left = remove(left, keep(importance(left, inputs), goal))
        learn(left, lessons, pruning.course, partial(_later, show, number * pruning.course.steps))
    return left


def importance(student: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    """Of each hidden layer's units, ``(O,)``, at least 0."""
    outgoing = [layer.weight.detach().norm(dim=0) for layer in linears(student)[1:]]
    said = [values.mean(0) for values in activations(student, inputs)]
    return [mean * norm for mean, norm in zip(said, outgoing, strict=True)]


def keep(importances: Sequence[torch.Tensor], counts: Sequence[int]) -> list[torch.Tensor]:
    """Numbers of the most important units of each layer, so many, in their order."""
    pairs = zip(importances, counts, strict=True)
    return [values.topk(min(count, len(values))).indices.sort().values for values, count in pairs]


def remove(student: nn.Module, kept: Sequence[torch.Tensor]) -> nn.Sequential:
    """A student with these hidden units only, and the weights between them."""
    layers = linears(student)
    inputs, outputs = torch.arange(layers[0].in_features), torch.arange(layers[-1].out_features)
    ends = pairwise([inputs, *kept, outputs])
    weights = [
        (layer.weight.detach()[after][:, before], layer.bias.detach()[after])
        for layer, (before, after) in zip(layers, ends, strict=True)
    ]
    return of_weights(weights)


def _later(show: Callable[[int], object], before: int, steps: int) -> None:
    show(before + steps)


def _copy(student: nn.Module) -> nn.Sequential:
    return of_weights([(layer.weight, layer.bias) for layer in linears(student)])
