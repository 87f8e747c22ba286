"""How every ONNX network of ours is run: on the CPU, without a trace when idle."""

from __future__ import annotations

import onnxruntime as ort


def session_options() -> ort.SessionOptions:
    """One thread that does not spin and no arena: a gateway's idle CPU and memory stay idle."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 4  # errors are raised; they need not be printed as well
    return options


def open_session(
    model: bytes | str, options: ort.SessionOptions | None = None
) -> ort.InferenceSession:
    """Load a network; what goes wrong, onnxruntime raises in classes that share no narrower base.

    Args:
        model: an ONNX file's content, or its path.
        options: `session_options` if left out.
    """
    return ort.InferenceSession(
        model, options or session_options(), providers=["CPUExecutionProvider"]
    )
