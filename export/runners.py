"""Everything that may compute an exported policy on a box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.engine import Judge
from agent.int8 import Int8Network, packed, unpacked
from agent.session import open_session
from export.policy_onnx import policy_onnx


class Session:
    """A gateway's policy under onnxruntime, run as boxes run it.

    Args:
        content: of ``policy.onnx``.
    """

    def __init__(self, content: bytes) -> None:
        self._session = open_session(content)

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, F)`` observations to ``(n, 4)`` logits."""
        result: NDArray[np.float32] = self._session.run(None, {"obs": observations})[0]
        return result


def runners_of(network: Int8Network) -> dict[str, Judge]:
    """The two forms under onnxruntime, and what numpy reads from ``policy.npz``."""
    return {
        "int8": Session(policy_onnx(network, "int8")),
        "fp32": Session(policy_onnx(network, "fp32")),
        "numpy": unpacked(packed(network)),
    }
