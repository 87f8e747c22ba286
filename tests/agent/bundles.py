"""Bundles that anyone can check by hand: every logit is one feature, by either runner."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.bundle import (
    MODEL_CARD,
    POLICY_NPZ,
    POLICY_ONNX,
    TEACHER_GGUF,
    TEACHER_REPORT,
    write_bundle,
)
from agent.decision import VERDICTS
from agent.int8 import Int8Network, Layer, packed
from agent.keys import public_text
from agent.observation import FEATURES, NAMES, SCHEMA_HASH

SECRET: Final = bytes(range(32))
PUBLIC: Final = Ed25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()
OTHER_SECRET: Final = bytes(range(1, 33))
F: Final = len(FEATURES)
LIMITS: Final = {"memory_mib": 96, "bundle_kib": 256, "latency_us": 4000}


def linear_onnx(weights: np.ndarray[Any, Any], inputs: int = F) -> bytes:
    """``logits = obs @ weights`` in the policy contract."""
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["obs", "w"], ["logits"])],
        "linear",
        [helper.make_tensor_value_info("obs", onnx.TensorProto.FLOAT, ["batch", inputs])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 4])],
        [onnx.numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


def linear_npz(inputs: int = F, outputs: int = 4) -> bytes:
    """The first logits are the first inputs: bytes of 1/128 from -1, weights of 64."""
    weight = 64 * np.eye(outputs, inputs, dtype=np.int8)
    layer = Layer(
        weight, np.full(outputs, -64 * 128, np.int32), np.full(outputs, 1 / 8192, np.float32)
    )
    step, offset = np.full(inputs, 1 / 128, np.float32), np.full(inputs, 128, np.float32)
    return packed(Int8Network(step, offset, [layer]))


def make(
    path: Path,
    onnx_bytes: bytes | None = None,
    *,
    npz: bytes | None = None,
    teacher: bool = False,
    secret: bytes = SECRET,
    **changes: Any,
) -> Path:
    """Write a bundle; ``changes`` are of its manifest."""
    manifest = {
        "name": "linear", "kind": "test", "description": "a line", "schema_hash": SCHEMA_HASH,
        "verdicts": VERDICTS, "features": NAMES, "baseline": [0.0] * F, "provenance": {},
    } | changes  # fmt: skip
    files = {POLICY_ONNX: onnx_bytes or linear_onnx(np.eye(F, 4)), MODEL_CARD: b"# card\n"}
    if npz is not None:
        files[POLICY_NPZ] = npz
    if teacher:
        files |= {TEACHER_GGUF: bytes(1000), TEACHER_REPORT: b"{}"}
    write_bundle(path, manifest, files, secret)
    return path


def full(path: Path, **changes: Any) -> Path:
    """A bundle with every file that there can be, made for a small box."""
    about = {"profile": "openwrt-256mb", "limits": LIMITS, "quantisation": "int8"} | changes
    return make(path, npz=linear_npz(), teacher=True, **about)


def contents(path: Path) -> dict[str, bytes]:
    """The files of a zip."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezip(path: Path, files: dict[str, bytes]) -> Path:
    """Write files as a zip, whatever they are."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def rewrite(path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change one file of a bundle in place."""
    files = contents(path)
    rezip(path, files | {name: change(files.get(name, b""))})


def flip(content: bytes, bit: int = -8) -> bytes:
    """One bit altered; of the last byte's, its lowest, if not said otherwise."""
    number = int.from_bytes(content, "little") ^ (1 << (bit % (8 * len(content))))
    return number.to_bytes(len(content), "little")


def unfolded(path: Path, folder: Path) -> Path:
    """The folder form of a zip."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def settings_file(folder: Path, **policy: object) -> Path:
    """Settings that trust `PUBLIC`, with a store in the folder."""
    about = {"keys": [public_text(PUBLIC)], "store": str(folder / "store")} | policy
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in about.items()]
    path = folder / "sluice.toml"
    path.write_text("\n".join(["[policy]", *lines, ""]))
    return path
