"""Quantisation: how far it may be off, and that training makes up for it."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.int8 import LARGEST_BYTE, LARGEST_WEIGHT
from export.lessons import divergence, learn
from export.quantize import Ranges, Trained, quantised
from export.settings import Course
from export.student import linears, of_weights
from tests.export.students import Drawn, policy

_SEEDS = st.integers(0, 2**31 - 1)


@settings(max_examples=50, deadline=None)
@given(_SEEDS, st.floats(1e-3, 1e3), st.booleans())
def test_an_input_s_byte_stands_for_a_value_within_half_a_step(
    seed: int, size: float, signed: bool
) -> None:
    chance = torch.Generator().manual_seed(seed)
    inputs = size * torch.rand(50, 3, generator=chance) - size / 3 * signed
    ranges = Ranges.of(policy(3, 4, 2), inputs)
    bytes_ = (inputs / ranges.step + ranges.offset).round().clamp(0, LARGEST_BYTE)
    again = (bytes_ - ranges.offset) * ranges.step
    # Beyond half a step only where the lowest value was cut by rounding the offset.
    assert bool(((again - inputs).abs() <= ranges.step * 0.5001 + 1e-6 * size).all())
    assert bool((ranges.offset == ranges.offset.round()).all())  # 0 is exact


@settings(max_examples=50, deadline=None)
@given(_SEEDS, st.lists(st.integers(1, 12), min_size=2, max_size=4))
def test_a_weight_stands_for_a_value_within_half_its_scale(seed: int, widths: list[int]) -> None:
    student = policy(*widths, seed=seed)
    inputs = torch.rand(100, widths[0], generator=torch.Generator().manual_seed(seed))
    ranges = Ranges.of(student, inputs)
    network = quantised(student, ranges)
    steps = ranges.step
    for layer, exact, after in zip(
        network.layers, linears(student), (*ranges.hidden, torch.ones(1)), strict=True
    ):
        scale = torch.from_numpy(layer.scale) * after
        found = torch.from_numpy(layer.weight) * scale[:, None] / steps
        off = (found - exact.weight).abs()
        assert bool((off <= scale[:, None] / steps * 0.5001).all())
        assert np.abs(layer.weight.astype(int)).max() <= LARGEST_WEIGHT
        steps = after


def test_a_linear_network_is_off_by_no_more_than_its_roundings_add_up_to() -> None:
    student = of_weights([(torch.tensor([[0.5, -0.25]]), torch.tensor([0.1]))])
    inputs = torch.rand(1000, 2)
    network = quantised(student, Ranges.of(student, torch.cat([inputs, torch.ones(1, 2)])))
    found = torch.from_numpy(network.logits(inputs.numpy()))
    # Half a step of each input times its weight, half a scale of each weight times its input, and
    # half a scale of the bias.
    step, scale = 1 / 255, 0.5 / 255 / 64
    bound = step / 2 * 0.75 + scale / 2 * 255 * 2 + scale / 2
    assert float((found - student(inputs)).detach().abs().max()) <= bound * 1.001


@settings(max_examples=25, deadline=None)
@given(_SEEDS, st.lists(st.integers(1, 24), min_size=2, max_size=5))
def test_what_is_trained_computes_what_is_exported(seed: int, widths: list[int]) -> None:
    student = policy(*widths, seed=seed)
    inputs = torch.rand(64, widths[0], generator=torch.Generator().manual_seed(seed)) * 2 - 0.5
    trained = Trained(student, Ranges.of(student, inputs))
    with torch.no_grad():
        found = trained(inputs).numpy()
    np.testing.assert_array_equal(trained.network().logits(inputs.numpy()), found)


def test_training_makes_up_for_rounding() -> None:
    teacher = policy(6, 12, 12, 3)
    with torch.no_grad():  # beside a weight that is so large, the others have few steps
        linears(teacher)[1].weight[:, 0] *= 30
    lessons = Drawn(teacher, 6)
    ranges = Ranges.of(teacher, lessons.draw(4096).inputs)
    examples = lessons.draw(4096)

    def lost(logits: torch.Tensor) -> float:
        return float(divergence(examples.logits, logits, 1.0).mean())

    plain = quantised(teacher, ranges).logits(examples.inputs.numpy())
    trained = Trained(teacher, ranges)
    learn(trained, lessons, Course(steps=400, batch=256, learning_rate=1e-3))
    tuned = trained.network().logits(examples.inputs.numpy())
    assert lost(torch.from_numpy(tuned)) < lost(torch.from_numpy(plain)) / 2


def test_what_never_varies_and_what_never_speaks_can_be_quantised() -> None:
    student = policy(3, 4, 2)
    with torch.no_grad():
        linears(student)[0].bias.fill_(-100.0)
    network = quantised(student, Ranges.of(student, torch.zeros(10, 3)))
    found = network.logits(np.zeros((1, 3), np.float32))
    np.testing.assert_allclose(found, student(torch.zeros(1, 3)).detach(), atol=1e-3)


def test_a_large_bias_beside_small_weights_stays_exact() -> None:
    student = of_weights([(torch.tensor([[1e-6]]), torch.tensor([50.0]))])
    network = quantised(student, Ranges.of(student, torch.ones(1, 1)))
    assert float(network.logits(np.ones((1, 1), np.float32))[0, 0]) == 50.0
