"""What onnxruntime makes of a policy's graph."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import onnx
import onnxruntime as ort

from agent.session import open_session, session_options

_INT8_KERNEL: Final = "com.microsoft.QGemm"  # bytes times bytes, onnxruntime's contrib operators


def int8_kernels(content: bytes) -> int:
    """Matrix products that onnxruntime computes in bytes, after it has optimised a model.

    Where it does not recognise the pattern of quantised weights it multiplies floats, without a
    word: right, but slow. Up to the level "extended" what it makes of a model can be written; the
    last level only lays out data for the CPU at hand.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options = session_options()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(path)
        open_session(content, options)
        nodes = onnx.load(path).graph.node
    return sum(f"{node.domain}.{node.op_type}" == _INT8_KERNEL for node in nodes)
