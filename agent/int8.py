"""Int8: a policy's network in whole numbers, computed by numpy alone.

Inputs and hidden activations are unsigned bytes, weights signed ones, sums 32-bit integers. Each
unit is measured in a step of its own, which its incoming weights' scale holds and the outgoing
weights have absorbed, so that what a layer hands on needs no further factor. An output is then one
multiplication of an exact integer by one float32, rounded once, half to even (IEEE 754), wherever
and in whatever order it is computed: onnxruntime's int8 kernels, its float32 ones (`export` writes
graphs for both) and this module give the same bits.

Weights stay within 64 either way: x86's ``vpmaddubsw`` adds two products of a byte and a weight in
16 bits, and 2 · 255 · 64 = 32,640 is what these hold (onnxruntime's documentation, "quantization on
x86-64 with AVX2": reduced range). Sums stay below 2^24, up to which float32 holds every integer, so
they may be added up as floats too, which numpy does far faster.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.format import read_array
from numpy.typing import NDArray

LARGEST_WEIGHT: Final = 64
LARGEST_BYTE: Final = 255
EXACT: Final = 1 << 24  # float32 holds every integer up to here


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of O units over I inputs.

    Attributes:
        weight: ``(O, I)`` int8, within `LARGEST_WEIGHT`.
        bias: ``(O,)`` int32.
        scale: ``(O,)`` float32, above 0: what a sum of 1 is worth.
    """

    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    scale: NDArray[np.float32]


class Int8Network:
    """A network that is quantised; hidden units are rectified, as bytes are by themselves.

    Args:
        step: ``(F,)`` float32, above 0: what a byte of 1 is worth in each input.
        offset: ``(F,)`` float32, the bytes that stand for inputs of 0.
        layers: at least one.

    Raises:
        ValueError: shapes, types or ranges are not as they must be; says which.
    """

    def __init__(
        self, step: NDArray[np.float32], offset: NDArray[np.float32], layers: Sequence[Layer]
    ) -> None:
        self.step, self.offset, self.layers = step, offset, tuple(layers)
        self._check()
        # Columns of weights, as floats that hold integers.
        self._steps = [
            (each.weight.T.astype(np.float32), each.bias.astype(np.float32), each.scale)
            for each in self.layers
        ]

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the inputs, of every hidden layer and of the outputs."""
        return (len(self.step), *(len(each.bias) for each in self.layers))

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, F)`` inputs to ``(n, A)`` outputs."""
        values = _as_bytes(observations / self.step + self.offset)
        *hidden, (weight, bias, scale) = self._steps
        for weights, biases, scales in hidden:
            values = _as_bytes((values @ weights + biases) * scales)
        result: NDArray[np.float32] = (values @ weight + bias) * scale
        return result

    def _check(self) -> None:
        _must(len(self.layers) > 0, "there is no layer")
        inputs = len(self.step)
        _of_kind("step", self.step, np.float32, (inputs,))
        _of_kind("offset", self.offset, np.float32, (inputs,))
        _must(bool((self.step > 0).all()), "step must be above 0")
        for number, each in enumerate(self.layers):
            units = len(each.bias)
            _of_kind(f"weight{number}", each.weight, np.int8, (units, inputs))
            _of_kind(f"bias{number}", each.bias, np.int32, (units,))
            _of_kind(f"scale{number}", each.scale, np.float32, (units,))
            _must(bool((each.scale > 0).all()), f"scale{number} must be above 0")
            sizes = np.abs(each.weight.astype(np.int64))
            _must(
                int(sizes.max(initial=0)) <= LARGEST_WEIGHT,
                f"weight{number} exceeds {LARGEST_WEIGHT}: AVX2 and VNNI would differ",
            )
            most = LARGEST_BYTE * sizes.sum(axis=1) + np.abs(each.bias.astype(np.int64))
            _must(
                int(most.max(initial=0)) < EXACT,
                f"layer {number} may add up to {int(most.max(initial=0)):,}, beyond {EXACT:,}",
            )
            inputs = units


def packed(network: Int8Network) -> bytes:
    """The content of ``policy.npz``; the same network makes the same bytes."""
    arrays: dict[str, NDArray[np.generic]] = {"step": network.step, "offset": network.offset}
    for number, each in enumerate(network.layers):
        arrays |= {f"weight{number}": each.weight, f"bias{number}": each.bias}
        arrays[f"scale{number}"] = each.scale
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpacked(content: bytes) -> Int8Network:
    """The network of a ``policy.npz``.

    Raises:
        ValueError: it is none, or one that must not be run; says why.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            arrays = {
                name.removesuffix(".npy"): read_array(io.BytesIO(archive.read(name)))
                for name in archive.namelist()
            }
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"not an npz file ({error})") from error
    layers: list[Layer] = []
    try:
        while f"weight{len(layers)}" in arrays:
            n = len(layers)
            layers.append(Layer(arrays[f"weight{n}"], arrays[f"bias{n}"], arrays[f"scale{n}"]))
        return Int8Network(arrays["step"], arrays["offset"], layers)
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from error


def _as_bytes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rounded half to even and cut to a byte's range, in place."""
    np.rint(values, out=values)
    return np.clip(values, 0, LARGEST_BYTE, out=values)


def _of_kind(
    name: str, array: NDArray[np.generic], kind: type[np.generic], shape: tuple[int, ...]
) -> None:
    _must(
        array.dtype == kind and array.shape == shape,
        f"{name} is {array.dtype}{list(array.shape)}, not {np.dtype(kind)}{list(shape)}",
    )


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
