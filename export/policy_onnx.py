"""A quantised network as ONNX, in two forms that compute the same bits.

``int8``: quantise, dequantise and matrix products between them, which onnxruntime turns into its
int8 kernels. ``fp32``: the same integers held in floats and multiplied by float32 kernels, which
for narrow layers can be as fast. Which one a box gets, its profile says (``policy.quantisation``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from agent.int8 import LARGEST_BYTE, Int8Network

Form = Literal["fp32", "int8"]

OPSET: Final = 17
_IR: Final = 8  # of ONNX 1.12, which has opset 17; every onnxruntime since 1.12 reads it

OPERATORS: Final[dict[Form, frozenset[str]]] = {
    "int8": frozenset({"Add", "DequantizeLinear", "Div", "Gemm", "QuantizeLinear"}),
    "fp32": frozenset({"Add", "Clip", "Div", "Gemm", "Mul", "Round"}),
}
"""All that a gateway's policy may be made of."""


class Nodes:
    """The nodes of a network, from one named tensor to another.

    Attributes:
        nodes: in the order of computation.
        constants: that they use.
    """

    def __init__(self, network: Int8Network, source: str, target: str, form: Form) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._form = form
        scaled = self._add("Div", [source, self._constant("step", network.step)])
        values = self._byte(self._add("Add", [scaled, self._constant("offset", network.offset)]))
        last = len(network.layers) - 1
        for number, layer in enumerate(network.layers):
            sums = self._sums(number, values, layer.weight, layer.bias, layer.scale)
            if number == last:
                self.nodes[-1].output[0] = target
            else:
                values = self._byte(sums)

    def _sums(
        self,
        number: int,
        values: str,
        weight: NDArray[np.int8],
        bias: NDArray[np.int32],
        scale: NDArray[np.float32],
    ) -> str:
        """A layer's sums, in the step of each unit; byte-valued inputs."""
        if self._form == "fp32":
            weights = self._constant(f"weight{number}", weight.astype(np.float32))
            biases = self._constant(f"bias{number}", bias.astype(np.float32))
            sums = self._add("Gemm", [values, weights, biases], transB=1)
            return self._add("Mul", [sums, self._constant(f"scale{number}", scale)])
        scales = self._constant(f"scale{number}", scale)
        weights = self._dequantised(f"weight{number}", weight, scales)
        biases = self._dequantised(f"bias{number}", bias, scales)
        floats = self._add("DequantizeLinear", [values, self._one, self._zero])
        return self._add("Gemm", [floats, weights, biases], transB=1)

    def _byte(self, values: str) -> str:
        if self._form == "int8":
            return self._add("QuantizeLinear", [values, self._one, self._zero])
        rounded = self._add("Round", [values])
        low = self._constant("lowest", np.array(0, np.float32))
        return self._add(
            "Clip", [rounded, low, self._constant("highest", np.array(LARGEST_BYTE, np.float32))]
        )

    def _dequantised(self, name: str, values: NDArray[np.generic], scales: str) -> str:
        """Integers, one row a unit, as the floats that they stand for."""
        zeros = self._constant(f"{name}_zero", np.zeros(len(values), values.dtype))
        return self._add("DequantizeLinear", [self._constant(name, values), scales, zeros], axis=0)

    @property
    def _one(self) -> str:
        return self._constant("one", np.array(1, np.float32))

    @property
    def _zero(self) -> str:
        return self._constant("zero", np.array(0, np.uint8))

    def _constant(self, name: str, value: NDArray[np.generic]) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def _add(self, operator: str, inputs: Sequence[str], **attributes: int) -> str:
        output = f"{operator.lower()}{len(self.nodes)}"
        node = helper.make_node(operator, inputs, [output], name=output)
        node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in attributes)
        self.nodes.append(node)
        return output


def policy_onnx(network: Int8Network, form: Form) -> bytes:
    """A gateway's policy: ``obs`` ``[batch, F]`` to ``logits`` ``[batch, A]``, both float32.

    The same network makes the same bytes.
    """
    made = Nodes(network, "obs", "logits", form)
    features, *_, actions = network.widths
    graph = helper.make_graph(
        made.nodes,
        "policy",
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, ["batch", features])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", actions])],
        list(made.constants.values()),
    )
    return serialised(graph)


def serialised(graph: onnx.GraphProto) -> bytes:
    """A checked model's content.

    Raises:
        onnx.checker.ValidationError: the graph is none.
    """
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(
        graph, opset_imports=[opset], ir_version=_IR, producer_name="sluicegate"
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def operators(content: bytes) -> frozenset[str]:
    """What a model is made of; those of other domains with the domain before them."""
    nodes = onnx.load_from_string(content).graph.node
    return frozenset(f"{n.domain}.{n.op_type}" if n.domain else n.op_type for n in nodes)
