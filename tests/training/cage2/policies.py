"""Small ONNX policies whose returns can be worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES, ACTIONS = 52, 145
SLEEP, RESTORE_SERVER = 0, 132 + 7
FLOAT = TensorProto.FLOAT

Shape = list[int | str]


def _constant(name: str, value: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, dtype=np.float32), name)


def _one_hot(action: int) -> Any:
    return np.eye(ACTIONS, dtype=np.float32)[[action]]


def write(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    kinds: dict[str, int] | None = None,
) -> Path:
    """A graph as a file; whatever is not in ``kinds`` is float32."""

    def declare(given: dict[str, Shape]) -> list[onnx.ValueInfoProto]:
        types = kinds or {}
        return [
            helper.make_tensor_value_info(name, types.get(name, FLOAT), shape)
            for name, shape in given.items()
        ]

    graph = helper.make_graph(nodes, "policy", declare(inputs), declare(outputs), constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def always(path: Path, action: int = SLEEP, *, memory: int = 1) -> Path:
    """Takes one action for ever and remembers nothing."""
    return write(
        path,
        [
            helper.make_node("MatMul", ["obs", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "bias"], ["logits"]),
            helper.make_node("Identity", ["state"], ["next_state"]),
        ],
        [_constant("zero", np.zeros((FEATURES, ACTIONS))), _constant("bias", _one_hot(action))],
        {"obs": ["b", FEATURES], "state": ["b", memory]},
        {"logits": ["b", ACTIONS], "next_state": ["b", memory]},
    )


def restore_first(path: Path, *, batch: int | str = "b") -> Path:
    """Restores the server at an episode's first step, which its state tells, then sleeps."""
    return write(
        path,
        [
            helper.make_node("Sub", ["one", "state"], ["first"]),
            helper.make_node("MatMul", ["first", "restore"], ["urge"]),
            helper.make_node("MatMul", ["obs", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "sleep"], ["calm"]),
            helper.make_node("Add", ["calm", "urge"], ["logits"]),
            helper.make_node("Add", ["state", "first"], ["next_state"]),
        ],
        [
            _constant("one", [[1]]),
            _constant("restore", 2 * _one_hot(RESTORE_SERVER)),
            _constant("zero", np.zeros((FEATURES, ACTIONS))),
            _constant("sleep", _one_hot(SLEEP)),
        ],
        {"obs": [batch, FEATURES], "state": [batch, 1]},
        {"logits": [batch, ACTIONS], "next_state": [batch, 1]},
    )
