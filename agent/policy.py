"""Policy: a bundle's network, observations to logits.

Two runners: onnxruntime runs ``policy.onnx``; numpy alone runs the same weights in ``policy.npz``,
where there is no onnxruntime or no memory for it. Only the one that runs is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from agent.bundle import POLICY_NPZ, Bundle
from agent.config import RunnerChoice
from agent.decision import VERDICTS
from agent.errors import BundleError, ConfigError
from agent.observation import FEATURES

RUNNERS: Final[tuple[RunnerChoice, ...]] = ("auto", "onnxruntime", "numpy")
Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Policy:
    """Runs a verified bundle's network on the CPU.

    Args:
        bundle: of a gateway's policy.
        runner: what computes it; auto: onnxruntime where it can be imported, else numpy.

    Attributes:
        runner: the one that does.

    Raises:
        BundleError: the network cannot be run, its inputs and outputs are not the contract's, or
            the bundle has none for the runner.
        ConfigError: the runner that was asked for is not installed.
    """

    def __init__(self, bundle: Bundle, runner: RunnerChoice = "auto") -> None:
        self.bundle = bundle
        self.runner = _chosen(bundle, runner)
        run = _by_onnxruntime if self.runner == "onnxruntime" else _by_numpy
        self._logits = run(bundle)

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, F)`` observations to ``(n, 4)`` logits, in the order of `Verdict`."""
        return self._logits(observations)


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Softmax over the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def _chosen(bundle: Bundle, runner: RunnerChoice) -> Literal["onnxruntime", "numpy"]:
    installed = runner != "numpy" and _has_onnxruntime()
    if installed:
        return "onnxruntime"
    if runner == "onnxruntime":
        raise ConfigError(
            "onnxruntime is not installed here; pip install onnxruntime, or use another runner:"
            ' --runner numpy, or policy.runner = "numpy" in sluice.toml'
        )
    if bundle.npz is None:
        why = "" if runner == "numpy" else " and onnxruntime is not installed here"
        raise BundleError(
            f"{bundle.path}: has no {POLICY_NPZ} for the numpy runner{why}; export it again"
            " with sluice-export, or use onnxruntime"
        )
    return "numpy"


def _has_onnxruntime() -> bool:
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        return False
    return True


def _by_onnxruntime(bundle: Bundle) -> Logits:
    from agent.session import open_session

    try:
        session = open_session(bundle.onnx)
    except Exception as error:  # onnxruntime's own errors share no narrower base
        raise BundleError(f"{bundle.path}: policy.onnx does not load: {error}") from error
    shapes = [
        [(io.name, io.shape[1:], io.type) for io in side]
        for side in (session.get_inputs(), session.get_outputs())
    ]
    wanted = [
        [("obs", [len(FEATURES)], "tensor(float)")],
        [("logits", [len(VERDICTS)], "tensor(float)")],
    ]
    if shapes != wanted:
        raise BundleError(
            f"{bundle.path}: policy.onnx has inputs and outputs {shapes}, not {wanted}"
        )

    def logits(observations: NDArray[np.float32]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = session.run(None, {"obs": observations})[0]
        return result

    return logits


def _by_numpy(bundle: Bundle) -> Logits:
    from agent.int8 import unpacked

    try:
        network = unpacked(bundle.npz or b"")
    except ValueError as error:
        raise BundleError(f"{bundle.path}: {POLICY_NPZ} does not load: {error}") from error
    found, wanted = (network.widths[0], network.widths[-1]), (len(FEATURES), len(VERDICTS))
    if found != wanted:
        raise BundleError(
            f"{bundle.path}: {POLICY_NPZ} has inputs and outputs {found}, not {wanted}"
        )
    return network.logits
