"""ONNX: both forms compute what `agent.int8` does, to the bit."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.session import open_session
from export.policy_onnx import OPERATORS, Form, operators, policy_onnx
from tests.agent.test_int8 import network

FORMS: tuple[Form, ...] = ("fp32", "int8")


def run(content: bytes, obs: NDArray[np.float32]) -> NDArray[np.float32]:
    """A model's logits."""
    session = open_session(content)
    found: NDArray[np.float32] = session.run(None, {"obs": obs})[0]
    return found


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    widths=st.lists(st.integers(1, 80), min_size=2, max_size=5),
    batch=st.sampled_from([1, 2, 7, 64]),
)
def test_the_graph_computes_the_same_bits(
    form: Form, seed: int, widths: list[int], batch: int
) -> None:
    made = network(seed, *widths)
    obs = np.random.default_rng(seed).normal(0.5, 1, (batch, widths[0])).astype(np.float32)
    np.testing.assert_array_equal(run(policy_onnx(made, form), obs), made.logits(obs))


@pytest.mark.parametrize("form", FORMS)
def test_the_same_network_makes_the_same_bytes_of_the_allowed_operators(form: Form) -> None:
    content = policy_onnx(network(1, 64, 32, 4), form)
    assert content == policy_onnx(network(1, 64, 32, 4), form)
    assert operators(content) == OPERATORS[form]
    model = onnx.load_from_string(content)
    assert [each.name for each in model.graph.input] == ["obs"]
    assert [each.name for each in model.graph.output] == ["logits"]


def test_int8_is_stored_in_bytes() -> None:
    made = network(1, 64, 64, 64, 4)
    small, large = (len(policy_onnx(made, form)) for form in ("int8", "fp32"))
    assert small < large / 2
