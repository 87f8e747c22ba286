"""Int8: computed by hand, refused where it would not be exact, and kept byte for byte."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.int8 import EXACT, Int8Network, Layer, packed, unpacked


def _layer(weight: object, bias: object, scale: object) -> Layer:
    return Layer(np.array(weight, np.int8), np.array(bias, np.int32), np.array(scale, np.float32))


def _floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def network(seed: int, *widths: int) -> Int8Network:
    """One with weights drawn by a seed."""
    chance = np.random.default_rng(seed)
    layers = [
        Layer(
            chance.integers(-64, 65, (after, before)).astype(np.int8),
            chance.integers(-9999, 9999, after).astype(np.int32),
            (0.001 + 0.01 * chance.random(after)).astype(np.float32),
        )
        for before, after in pairwise(widths)
    ]
    step = (0.001 + 0.01 * chance.random(widths[0])).astype(np.float32)
    offset = chance.integers(0, 256, widths[0]).astype(np.float32)
    return Int8Network(step, offset, layers)


def test_a_network_by_hand() -> None:
    made = Int8Network(
        _floats(0.5, 1),
        _floats(0, 128),
        [_layer([[2, 1]], [-100], [0.25]), _layer([[3]], [1], [2])],
    )
    # 10 / .5 = 20 and -3 + 128 = 125; (40 + 125 - 100) / 4 = 16.25, which is 16; (48 + 1) * 2.
    assert made.logits(np.array([[10, -3]], np.float32)).tolist() == [[98]]
    assert made.widths == (2, 1, 1)


def test_what_is_out_of_range_is_cut_and_halves_go_to_the_even_side() -> None:
    made = Int8Network(_floats(1), _floats(0), [_layer([[1]], [0], [1])])
    found = made.logits(np.array([[-5], [300], [2.5], [3.5]], np.float32))
    assert found[:, 0].tolist() == [0, 255, 2, 4]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 20), min_size=2, max_size=5))
def test_it_computes_what_whole_numbers_give(seed: int, widths: list[int]) -> None:
    """Sums in Python's integers, one rounded product after them."""
    made = network(seed, *widths)
    inputs = np.random.default_rng(seed).normal(0, 1, widths[0]).astype(np.float32)
    values = [
        int(min(255, max(0, np.rint(np.float32(np.float32(x / s) + o)))))
        for x, s, o in zip(inputs, made.step, made.offset, strict=True)
    ]
    for number, layer in enumerate(made.layers):
        sums = [
            sum(int(w) * v for w, v in zip(row, values, strict=True)) + int(b)
            for row, b in zip(layer.weight, layer.bias, strict=True)
        ]
        worth = [np.float32(s) * m for s, m in zip(sums, layer.scale, strict=True)]
        if number < len(made.layers) - 1:
            values = [min(255, max(0, round(Fraction(float(each))))) for each in worth]
    assert made.logits(inputs[None])[0].tolist() == [float(each) for each in worth]


def test_a_batch_is_its_rows() -> None:
    made = network(1, 64, 32, 4)
    inputs = np.random.default_rng(2).random((100, 64), np.float32)
    rows = np.concatenate([made.logits(row[None]) for row in inputs])
    np.testing.assert_array_equal(made.logits(inputs), rows)


def test_a_file_is_the_network_and_the_same_bytes_each_time() -> None:
    made = network(3, 8, 5, 4)
    again = unpacked(packed(made))
    assert packed(again) == packed(made)
    inputs = np.random.default_rng(4).random((10, 8), np.float32)
    np.testing.assert_array_equal(again.logits(inputs), made.logits(inputs))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (_layer([[65]], [0], [1]), "AVX2 and VNNI would differ"),
        (_layer([[1]], [EXACT], [1]), "may add up to"),
        (_layer([[1]], [0], [0]), "scale0 must be above 0"),
        (_layer([[1, 1]], [0], [1]), r"weight0 is int8\[1, 2\], not int8\[1, 1\]"),
        (Layer(np.ones((1, 1), np.int16), np.zeros(1, np.int32), _floats(1)), "weight0 is int16"),  # type: ignore[arg-type]
    ],
)
def test_what_would_not_be_exact_is_refused(layer: Layer, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Int8Network(_floats(1), _floats(0), [layer])


def test_no_layer_and_no_step_are_refused() -> None:
    with pytest.raises(ValueError, match="no layer"):
        Int8Network(_floats(1), _floats(0), [])
    with pytest.raises(ValueError, match="step must be above 0"):
        Int8Network(_floats(0), _floats(0), [_layer([[1]], [0], [1])])


def test_files_that_are_none_are_refused() -> None:
    whole = packed(network(1, 3, 2))
    for content in (b"", b"nothing", whole[:-30]):
        with pytest.raises(ValueError, match="not an npz file"):
            unpacked(content)


def test_a_single_array_is_no_network() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    with pytest.raises(ValueError, match="not an npz file"):
        unpacked(buffer.getvalue())


def test_a_file_that_lacks_a_part_is_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, step=_floats(1), offset=_floats(0), weight0=np.ones((1, 1), np.int8))
    with pytest.raises(ValueError, match="bias0 is missing"):
        unpacked(buffer.getvalue())
