"""An ONNX policy acts greedily, keeps its memory, and is refused where it breaks the contract."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.training.cage2.policies import (
    ACTIONS,
    FEATURES,
    RESTORE_SERVER,
    SLEEP,
    always,
    restore_first,
    write,
)
from training.cage2.onnx_policy import OnnxPolicy
from training.errors import PolicyError

load = partial(OnnxPolicy, num_features=FEATURES, num_actions=ACTIONS)
INPUTS: dict[str, Any] = {"obs": ["b", FEATURES], "state": ["b", 3]}
OUTPUTS: dict[str, Any] = {"logits": ["b", ACTIONS], "next_state": ["b", 3]}


def blank(batch: int) -> Any:
    return np.zeros((batch, FEATURES), dtype=np.float32)


def mirror(path: Path, kind: str = "Identity", inputs: int = 1, **attributes: int) -> OnnxPolicy:
    """A policy whose logits are its observation, through one operator."""
    nodes = [
        helper.make_node(kind, ["obs"] * inputs, ["logits"], **attributes),
        helper.make_node("Identity", ["state"], ["next_state"]),
    ]
    file = path / "policy.onnx"
    write(file, nodes, [], INPUTS, OUTPUTS | {"logits": ["b", FEATURES]})
    return OnnxPolicy(file, FEATURES, FEATURES)


@pytest.mark.parametrize("batch", ["b", 1])
def test_the_state_is_kept_within_an_episode_and_zero_at_its_start(
    tmp_path: Path, batch: int | str
) -> None:
    policy = load(restore_first(tmp_path / "policy.onnx", batch=batch))
    for size in (3, 2):
        policy.begin(size)
        steps = [policy.act(blank(size)) for _ in range(3)]
        assert [step.tolist() for step in steps] == [
            [RESTORE_SERVER] * size, [SLEEP] * size, [SLEEP] * size,
        ]  # fmt: skip
        assert steps[0].dtype == np.int64


def test_the_greatest_logit_is_taken_and_the_first_of_equals(tmp_path: Path) -> None:
    logits = np.full((2, FEATURES), -np.inf, dtype=np.float32)
    logits[0, [7, 9]] = 1.0
    logits[1, 51] = -1.0
    policy = mirror(tmp_path)
    policy.begin(2)
    assert policy.act(logits).tolist() == [7, 51]


def test_observations_need_no_particular_memory_layout(tmp_path: Path) -> None:
    obs = np.eye(FEATURES, dtype=np.float32)[:4]
    policy = mirror(tmp_path)
    policy.begin(4)
    assert policy.act(obs.T.copy().T).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("shape", [(3, FEATURES), (2, FEATURES - 1), (0, FEATURES)])
def test_observations_must_fit_the_episodes_begun(tmp_path: Path, shape: tuple[int, ...]) -> None:
    policy = load(always(tmp_path / "policy.onnx"))
    policy.begin(2)
    with pytest.raises(ValueError, match="observations of shape"):
        policy.act(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize(
    ("inputs", "outputs", "told"),
    [
        ({"obs": INPUTS["obs"]}, OUTPUTS, "has the inputs obs, not obs and state"),
        (INPUTS | {"mask": ["b", 2]}, OUTPUTS, "has the inputs obs, state, mask, not"),
        (INPUTS, {"action": ["b", 1], "next_state": ["b", 3]}, "has the outputs action, next_st"),
        (INPUTS | {"obs": ["b", 51]}, OUTPUTS, r"obs is \[b, 51\], not \[batch, 52\]"),
        (INPUTS | {"obs": ["b", "f"]}, OUTPUTS, r"obs is \[b, f\], not \[batch, 52\]"),
        (INPUTS | {"obs": [FEATURES]}, OUTPUTS, r"obs is \[52\], not \[batch, 52\]"),
        (INPUTS | {"obs": [8, FEATURES]}, OUTPUTS, "obs is for batches of 8 alone"),
        (INPUTS | {"state": ["b", "s"]}, OUTPUTS, r"state is \[b, s\]: it needs two axes"),
        (INPUTS | {"state": [3]}, OUTPUTS, r"state is \[3\]: it needs two axes"),
        (INPUTS, OUTPUTS | {"logits": ["b", 4]}, r"logits is \[1, 4\], not \[batch, 145\]"),
        (INPUTS, OUTPUTS | {"next_state": ["b", 2]}, r"next_state is \[1, 2\], not \[batch, 3\]"),
    ],
)  # fmt: skip
def test_other_names_and_shapes_are_refused(
    tmp_path: Path, inputs: dict[str, Any], outputs: dict[str, Any], told: str
) -> None:
    # Zeros of the declared shapes, so that nothing but the declaration is wrong.
    nodes, constants = [], []
    for name, shape in outputs.items():
        sizes = [size if isinstance(size, int) else 1 for size in shape]
        value = np.zeros(sizes, dtype=np.float32)
        constants.append(numpy_helper.from_array(value, f"{name}_value"))
        nodes.append(helper.make_node("Identity", [f"{name}_value"], [name]))
    path = write(tmp_path / "policy.onnx", nodes, constants, inputs, outputs)
    with pytest.raises(PolicyError, match=told) as raised:
        load(path)
    assert "\n" not in str(raised.value)
    assert "the contract" in str(raised.value)
    assert "policy.onnx" in str(raised.value)


def test_other_types_are_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["obs"], ["logits"], to=TensorProto.DOUBLE),
        helper.make_node("Identity", ["state"], ["next_state"]),
    ]
    outputs = OUTPUTS | {"logits": ["b", FEATURES]}
    kinds = {"logits": TensorProto.DOUBLE}
    path = write(tmp_path / "policy.onnx", nodes, [], INPUTS, outputs, kinds)
    with pytest.raises(PolicyError, match=r"logits is tensor\(double\), not float32"):
        OnnxPolicy(path, FEATURES, FEATURES)


def test_a_policy_of_another_network_is_refused(tmp_path: Path) -> None:
    path = always(tmp_path / "policy.onnx")
    with pytest.raises(PolicyError, match=r"obs is \[b, 52\], not \[batch, 80\]"):
        OnnxPolicy(path, 80, ACTIONS)
    with pytest.raises(PolicyError, match=r"logits is \[b, 145\], not \[batch, 222\]"):
        OnnxPolicy(path, FEATURES, 222)


def test_what_a_graph_gives_is_held_to_what_it_declares(tmp_path: Path) -> None:
    policy = mirror(tmp_path, "Concat", 2, axis=0)
    policy.begin(2)
    with pytest.raises(PolicyError, match=r"logits came out as \[4, 52\], not \[2, 52\]"):
        policy.act(blank(2))


def test_a_nan_is_no_choice(tmp_path: Path) -> None:
    policy = mirror(tmp_path)
    policy.begin(1)
    with pytest.raises(PolicyError, match="logits came out with NaN"):
        policy.act(blank(1) * np.nan)


def test_a_policy_may_have_no_memory(tmp_path: Path) -> None:
    policy = load(always(tmp_path / "policy.onnx", 5, memory=0))
    policy.begin(2)
    assert policy.act(blank(2)).tolist() == [5, 5]


def test_a_graph_that_fails_says_so(tmp_path: Path) -> None:
    shape = numpy_helper.from_array(np.array([1, ACTIONS], dtype=np.int64), "shape")
    nodes = [
        helper.make_node("Reshape", ["obs", "shape"], ["logits"]),
        helper.make_node("Identity", ["state"], ["next_state"]),
    ]
    policy = load(write(tmp_path / "policy.onnx", nodes, [shape], INPUTS, OUTPUTS))
    policy.begin(2)
    with pytest.raises(PolicyError, match="cannot be run on a batch of 1") as raised:
        policy.act(blank(2))
    assert "\n" not in str(raised.value)


def test_no_file_and_no_network(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"absent\.onnx: no such file"):
        load(tmp_path / "absent.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("not a network")
    with pytest.raises(PolicyError, match=r"text\.onnx: is no ONNX file"):
        load(text)
