"""A policy that anyone can check by hand: logits are one matrix product."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper

from agent.bundle import MODEL_CARD, POLICY_ONNX, write_bundle
from agent.decision import VERDICTS
from agent.observation import NAMES, SCHEMA_HASH

BASELINE = tuple(0.25 for _ in NAMES)
_KEY = bytes(range(32))


def write_toy(
    path: Path,
    weights: Mapping[tuple[str, str], float] | None = None,
    bias: Mapping[str, float] | None = None,
    **manifest: object,
) -> Path:
    """Write a bundle, and its public key beside it.

    Args:
        path: ends in ``.sluice``.
        weights: by feature and verdict; else 0.
        bias: by verdict; else 0.
        manifest: fields other than the usual.
    """
    matrix = np.zeros((len(NAMES), len(VERDICTS)), np.float32)
    for (feature, verdict), weight in (weights or {}).items():
        matrix[NAMES.index(feature), VERDICTS.index(verdict)] = weight
    offset = np.array([(bias or {}).get(verdict, 0) for verdict in VERDICTS], np.float32)
    fields = {
        "name": path.stem,
        "kind": "toy",
        "description": "Made for a test.",
        "schema_hash": SCHEMA_HASH,
        "verdicts": VERDICTS,
        "features": NAMES,
        "baseline": BASELINE,
        "provenance": {"seed": 1},
    }
    files = {POLICY_ONNX: _linear(matrix, offset), MODEL_CARD: b"# Toy\n"}
    write_bundle(path, fields | manifest, files, _KEY)
    public = Ed25519PrivateKey.from_private_bytes(_KEY).public_key().public_bytes_raw()
    path.with_suffix(".pub").write_bytes(public)
    return path


def _linear(matrix: np.ndarray, offset: np.ndarray) -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["obs", "w", "b"], ["logits"])],
        "toy",
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, ["batch", len(NAMES)])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(VERDICTS)])],
        [numpy_helper.from_array(matrix, "w"), numpy_helper.from_array(offset, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model.SerializeToString()
