"""A policy from an ONNX file: greedy, with whatever memory its graph keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from agent.session import open_session
from training.cage2.evaluate import check_observations
from training.errors import PolicyError


class OnnxPolicy:
    """Runs a network of the CAGE-2 contract on the CPU, a batch of episodes at a time.

    The contract: inputs ``obs`` ``[batch, F]`` and ``state`` ``[batch, S]``, outputs ``logits``
    ``[batch, A]`` and ``next_state`` ``[batch, S]``, all float32; the state is zeros when an
    episode begins. A file whose batch is fixed to 1 is run row by row.

    Args:
        path: the file.
        num_features: numbers in one observation, ``F``.
        num_actions: discrete actions, ``A``.

    Raises:
        PolicyError: the file does not load, or its inputs and outputs are not the contract's.
    """

    def __init__(self, path: Path, num_features: int, num_actions: int) -> None:
        self.path = path
        self.num_features = num_features
        self.num_actions = num_actions
        self._session = _open(path)
        self._row_by_row = False
        self.state_size = self._check()
        self._state = np.zeros((0, self.state_size), dtype=np.float32)

    def begin(self, batch: int) -> None:
        """Begin ``batch`` episodes: forget everything."""
        self._state = np.zeros((batch, self.state_size), dtype=np.float32)

    def act(self, obs: NDArray[np.float32]) -> NDArray[np.int64]:
        """The actions with the greatest logits, the first of equals; the memory moves on.

        Args:
            obs: ``(batch, F)``, in the order of the call before.

        Returns:
            ``(batch,)`` integers in ``[0, A)``.

        Raises:
            ValueError: the observations are not ``F`` wide, or not one for each episode begun.
            PolicyError: the network cannot be run, or gives what it did not declare, or a NaN.
        """
        check_observations(obs, len(self._state), self.num_features)
        obs = np.ascontiguousarray(obs, dtype=np.float32)
        size = 1 if self._row_by_row else len(obs)
        parts = [
            self._run(obs[i : i + size], self._state[i : i + size])
            for i in range(0, len(obs), size)
        ]
        logits, self._state = (np.concatenate(side) for side in zip(*parts, strict=True))
        return np.asarray(logits.argmax(axis=1), dtype=np.int64)

    def _run(
        self, obs: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        try:
            logits, after = self._session.run(
                ["logits", "next_state"], {"obs": obs, "state": state}
            )
        except Exception as error:  # onnxruntime's own errors share no narrower base
            self._fail(f"cannot be run on a batch of {len(obs)} ({_one_line(error)})", error)
        # Declared shapes are only a promise: onnxruntime does not hold a graph to them.
        for name, value, width in (
            ("logits", logits, self.num_actions),
            ("next_state", after, self.state_size),
        ):
            if value.shape != (len(obs), width):
                given, wanted = list(value.shape), [len(obs), width]
                self._fail(f"output {name} came out as {given}, not {wanted}")
            if np.isnan(value).any():
                self._fail(f"output {name} came out with NaN in it")
        return logits, after

    def _check(self) -> int:
        """Compare names, types and shapes with the contract; returns ``S``."""
        inputs = self._named("input", self._session.get_inputs(), ("obs", "state"))
        outputs = self._named("output", self._session.get_outputs(), ("logits", "next_state"))
        shape = inputs["state"].shape
        if len(shape) != 2 or not isinstance(shape[1], int):
            self._fail(f"state is {_shown(shape)}: it needs two axes, the second a number")
        size: int = shape[1]
        self._check_node(inputs["obs"], self.num_features)
        self._check_node(inputs["state"], size)
        self._check_node(outputs["logits"], self.num_actions)
        self._check_node(outputs["next_state"], size)
        return size

    def _named(
        self, side: str, nodes: Sequence[ort.NodeArg], wanted: tuple[str, str]
    ) -> dict[str, ort.NodeArg]:
        named = {node.name: node for node in nodes}
        if named.keys() != set(wanted):
            self._fail(f"has the {side}s {', '.join(named)}, not {' and '.join(wanted)}")
        return named

    def _check_node(self, node: ort.NodeArg, width: int) -> None:
        name, batch = node.name, node.shape[0] if node.shape else None
        if node.type != "tensor(float)":
            self._fail(f"{name} is {node.type}, not float32")
        if len(node.shape) != 2 or node.shape[1] != width:
            self._fail(f"{name} is {_shown(node.shape)}, not [batch, {width}]")
        if isinstance(batch, int) and batch != 1:
            self._fail(
                f"{name} is for batches of {batch} alone; leave the batch open, or make it 1"
            )
        self._row_by_row |= batch == 1

    def _fail(self, found: str, cause: Exception | None = None) -> NoReturn:
        raise PolicyError(
            f"{self.path}: {found}; the contract, all float32: inputs obs"
            f" [batch, {self.num_features}] and state [batch, S], outputs logits"
            f" [batch, {self.num_actions}] and next_state [batch, S]"
        ) from cause


def _open(path: Path) -> ort.InferenceSession:
    if not path.is_file():
        raise PolicyError(f"{path}: no such file")
    try:
        return open_session(str(path))
    except Exception as error:  # onnxruntime's own errors share no narrower base
        raise PolicyError(f"{path}: is no ONNX file that loads ({_one_line(error)})") from error


def _shown(shape: list[int | str | None]) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
