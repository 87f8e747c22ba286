"""Policy: a bundle's ONNX network, observations to logits."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from agent.bundle import Bundle
from agent.decision import VERDICTS
from agent.errors import BundleError
from agent.observation import FEATURES
from agent.session import session_options


class Policy:
    """Runs a verified bundle's network on the CPU.

    Raises:
        BundleError: the network is no ONNX file, or its inputs and outputs are not the contract's.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        try:
            self._session = ort.InferenceSession(
                bundle.onnx, session_options(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own errors share no narrower base
            raise BundleError(f"{bundle.path}: policy.onnx does not load: {error}") from error
        shapes = [
            [(io.name, io.shape[1:], io.type) for io in side]
            for side in (self._session.get_inputs(), self._session.get_outputs())
        ]
        wanted = [
            [("obs", [len(FEATURES)], "tensor(float)")],
            [("logits", [len(VERDICTS)], "tensor(float)")],
        ]
        if shapes != wanted:
            raise BundleError(
                f"{bundle.path}: policy.onnx has inputs and outputs {shapes}, not {wanted}"
            )

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, F)`` observations to ``(n, 4)`` logits, in the order of `Verdict`."""
        result: NDArray[np.float32] = self._session.run(None, {"obs": observations})[0]
        return result


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Softmax over the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))
