"""Bundles: what verifies loads, and nothing else does."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.bundle import MANIFEST, MODEL_CARD, POLICY_ONNX, SIGNATURE, Bundle, write_bundle
from agent.decision import VERDICTS
from agent.errors import BundleError, BundleTampered, SchemaMismatch
from agent.observation import FEATURES, NAMES, SCHEMA_HASH
from agent.policy import Policy, probabilities

SECRET = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()
F = len(FEATURES)


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


def make(path: Path, onnx_bytes: bytes | None = None, **changes: Any) -> Path:
    manifest = {
        "name": "linear", "kind": "test", "description": "a line", "schema_hash": SCHEMA_HASH,
        "verdicts": VERDICTS, "features": NAMES, "baseline": [0.0] * F, "provenance": {},
    } | changes  # fmt: skip
    network = onnx_bytes or linear_onnx(np.eye(F, 4))
    write_bundle(path, manifest, {POLICY_ONNX: network, MODEL_CARD: b"# card\n"}, SECRET)
    return path


def rewrite(path: Path, name: str, change: Any) -> None:
    """Change one file of a bundle in place."""
    with zipfile.ZipFile(path) as archive:
        files = {n: archive.read(n) for n in archive.namelist()}
    files[name] = change(files.get(name, b""))
    with zipfile.ZipFile(path, "w") as archive:
        for n, content in files.items():
            archive.writestr(n, content)


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def test_a_bundle_loads_and_computes(tmp_path: Path) -> None:
    bundle = Bundle.load(make(tmp_path / "b.sluice"), (PUBLIC,))
    logits = Policy(bundle).logits(np.eye(3, F, dtype=np.float32))
    assert np.array_equal(logits, np.eye(3, 4, dtype=np.float32))
    assert bundle.manifest.name == "linear"
    assert bundle.model_card == "# card\n"
    assert probabilities(logits).sum(axis=1) == pytest.approx(1)


def test_a_folder_is_as_good_as_a_zip_and_the_same_inputs_make_the_same_bytes(
    tmp_path: Path,
) -> None:
    first, second = make(tmp_path / "1.sluice"), make(tmp_path / "2.sluice")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        archive.extractall(tmp_path / "folder")
    assert (
        Bundle.load(tmp_path / "folder", (PUBLIC,)).digest == Bundle.load(first, (PUBLIC,)).digest
    )


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE, POLICY_ONNX, MODEL_CARD])
def test_one_flipped_bit_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / "b.sluice")
    rewrite(path, name, flip)
    with pytest.raises(BundleTampered):
        Bundle.load(path, (PUBLIC,))


def test_an_unsigned_file_and_a_strange_key_are_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "b.sluice")
    with pytest.raises(BundleTampered, match="trusted key"):
        Bundle.load(path, (bytes(32),))
    rewrite(path, "extra.bin", lambda _: b"x")
    with pytest.raises(BundleTampered, match=r"extra\.bin"):
        Bundle.load(path, (PUBLIC,))


def test_another_schema_is_refused_with_both_hashes(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match=f"0123456789abcdef.*{SCHEMA_HASH}"):
        make(tmp_path / "b.sluice", schema_hash="0123456789abcdef")


def test_a_network_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "b.sluice", linear_onnx(np.eye(3, 4), inputs=3))
    with pytest.raises(BundleError, match="inputs and outputs"):
        Policy(Bundle.load(path, (PUBLIC,)))
    path = make(tmp_path / "c.sluice", b"no onnx")
    with pytest.raises(BundleError, match="does not load"):
        Policy(Bundle.load(path, (PUBLIC,)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", None])
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "b.sluice"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=r"b\.sluice"):
        Bundle.load(path, (PUBLIC,))


def test_the_default_policy_says_what_it_is() -> None:
    manifest = Bundle.default().manifest
    assert "hindsight" in manifest.kind
    assert "Trained on replayed traffic of composed" in manifest.description
    assert "## Where it fails" in Bundle.default().model_card
    assert json.dumps(manifest.provenance)
    assert len(Bundle.default().onnx) < 300_000
