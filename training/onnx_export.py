"""From a torch module to an ONNX file's content."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import torch
from torch import nn


def to_onnx(model: nn.Module, inputs: Mapping[str, torch.Tensor], outputs: Sequence[str]) -> bytes:
    """The module as a graph whose tensors have an open first axis, ``batch``.

    Args:
        model: takes the inputs in their order.
        inputs: names, and examples with a batch of 1.
        outputs: names.
    """
    buffer = io.BytesIO()
    names = [*inputs, *outputs]
    # The TorchScript exporter: the other one leaves shape notes that the quantiser chokes on.
    torch.onnx.export(
        model.eval(),
        tuple(inputs.values()),
        buffer,  # type: ignore[arg-type]  # files are taken too, whatever the stub says
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_axes={name: {0: "batch"} for name in names},
        opset_version=17,
        dynamo=False,
    )
    return buffer.getvalue()
