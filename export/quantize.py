"""Quantisation: a student's weights as signed bytes, its activations as unsigned ones.

Affine quantisation with rounding to the nearest, as in Jacob et al. 2018 (arXiv 1712.05877), by the
rules of `agent.int8`: each input and each hidden unit has a step of its own, which is divided out
of its incoming weights and multiplied into its outgoing ones (cross-layer equalisation, Nagel et
al. 2019, arXiv 1906.04721), weights are symmetric and within 64, one scale an output unit.

After training (the quick way) the ranges come from examples and the weights are rounded. With
training, the network is rounded on the way forward and learns as if it were not (the straight-
through estimator, Bengio et al. 2013, arXiv 1308.3432), so that it makes up for the rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import nn

from agent.int8 import LARGEST_BYTE, LARGEST_WEIGHT, Int8Network, Layer
from export.student import activations, linears, of_weights

# Sums stay below 2^24 beside 255 · 64 · 1,000 inputs' worth of products.
_LARGEST_BIAS: Final = 1 << 19
_NOTHING: Final = 1e-6  # a range of nothing is this wide


@dataclass(frozen=True, slots=True)
class Ranges:
    """What examples take up.

    Attributes:
        step, offset: ``(I,)`` of the inputs, as `Int8Network` has them.
        hidden: of every hidden layer, ``(O,)``: what a byte of 1 is worth in each unit.
    """

    step: torch.Tensor
    offset: torch.Tensor
    hidden: tuple[torch.Tensor, ...]

    @classmethod
    def of(cls, student: nn.Module, inputs: torch.Tensor) -> Ranges:
        """Those of ``(N, I)`` examples; 0 is always inside, and always exact."""
        low, high = inputs.amin(0).clamp(max=0), inputs.amax(0).clamp(min=0)
        step = ((high - low) / LARGEST_BYTE).clamp(min=_NOTHING)
        offset = (-low / step).round()
        # Where an offset was rounded up, the highest value must still have a byte.
        step = torch.maximum(step, high / (LARGEST_BYTE - offset).clamp(min=1))
        hidden = [values.amax(0).clamp(min=_NOTHING) for values in activations(student, inputs)]
        return cls(step, offset, tuple(most / LARGEST_BYTE for most in hidden))


def quantised(student: nn.Module, ranges: Ranges) -> Int8Network:
    """A student in whole numbers, without any learning."""
    layers, steps, offset = [], ranges.step, ranges.offset
    for layer, after in zip(linears(student), (*ranges.hidden, None), strict=True):
        weight, bias, scale = _rounded(layer.weight.detach(), layer.bias.detach(), steps, offset)
        worth = scale if after is None else scale / after
        layers.append(
            Layer(
                weight.numpy().astype(np.int8),
                bias.numpy().astype(np.int32),
                worth.numpy().astype(np.float32),
            )
        )
        if after is not None:
            steps, offset = after, torch.zeros_like(after)
    return Int8Network(ranges.step.numpy(), ranges.offset.numpy(), layers)


class Trained(nn.Module):
    """A student that is rounded on its way forward, and learns nevertheless.

    Args:
        student: where it starts from; it is not changed.
        ranges: of the student, and they stay so.
    """

    def __init__(self, student: nn.Module, ranges: Ranges) -> None:
        super().__init__()
        self.ranges = ranges
        layers = linears(student)
        self.weights = nn.ParameterList([layer.weight.detach().clone() for layer in layers])
        self.biases = nn.ParameterList([layer.bias.detach().clone() for layer in layers])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs ``(N, I)`` to logits ``(N, A)``."""
        steps, offset = self.ranges.step, self.ranges.offset
        values = _byte(inputs / steps + offset)
        *hidden, last = zip(self.weights, self.biases, strict=True)
        for (weight, bias), after in zip(hidden, self.ranges.hidden, strict=True):
            integers, whole, scale = _rounded(weight, bias, steps, offset)
            values = _byte((values @ integers.t() + whole) * (scale / after))
            steps, offset = after, torch.zeros_like(after)
        integers, whole, scale = _rounded(*last, steps, offset)
        return (values @ integers.t() + whole) * scale

    def network(self) -> Int8Network:
        """What has been learned, in whole numbers."""
        return quantised(of_weights(list(zip(self.weights, self.biases, strict=True))), self.ranges)


def _rounded(
    weight: torch.Tensor, bias: torch.Tensor, steps: torch.Tensor, offset: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A layer's weights ``(O, I)`` and biases ``(O,)`` as integers, and its scale ``(O,)``.

    Gradients pass as if nothing were rounded; the scale has none.
    """
    scaled = weight * steps
    with torch.no_grad():
        scale = scaled.abs().amax(1) / LARGEST_WEIGHT
        scale = torch.maximum(scale, bias.abs() / _LARGEST_BIAS).clamp(min=_NOTHING * _NOTHING)
    integers = _whole(scaled / scale[:, None])
    return integers, _whole(bias / scale - integers @ offset), scale


def _whole(values: torch.Tensor) -> torch.Tensor:
    """Rounded half to even; the gradient passes."""
    return values + (values.round() - values).detach()


def _byte(values: torch.Tensor) -> torch.Tensor:
    """Rounded to a byte; the gradient passes within its range."""
    return _whole(values.clamp(0, LARGEST_BYTE))
