"""Bundles: what verifies loads, and nothing else does."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from agent.bundle import (
    MANIFEST,
    MODEL_CARD,
    POLICY_ONNX,
    SIGNATURE,
    Bundle,
    Claims,
    Gate,
    write_bundle,
)
from agent.errors import BundleError, OutputError, SchemaMismatch
from agent.observation import FEATURES, SCHEMA_HASH
from agent.policy import Policy, probabilities
from tests.agent.bundles import PUBLIC, SECRET, F, contents, full, linear_onnx, make, unfolded

CAGE2 = {
    "name": "blue", "kind": "PPO", "description": "of CAGE-2", "playground": "cage2",
    "inputs": {"obs": ["batch", 52], "state": ["batch", 7]},
    "outputs": {"logits": ["batch", 145], "next_state": ["batch", 7]},
    "provenance": {"seed": 1},
}  # fmt: skip


def test_a_bundle_loads_and_computes(tmp_path: Path) -> None:
    bundle = Bundle.load(make(tmp_path / "b.sluice"), (PUBLIC,))
    logits = Policy(bundle).logits(np.eye(3, F, dtype=np.float32))
    assert np.array_equal(logits, np.eye(3, 4, dtype=np.float32))
    assert bundle.manifest.name == "linear"
    assert (bundle.model_card, bundle.npz, bundle.key) == ("# card\n", None, PUBLIC)
    assert probabilities(logits).sum(axis=1) == pytest.approx(1)


def test_a_folder_is_as_good_as_a_zip_and_the_same_inputs_make_the_same_bytes(
    tmp_path: Path,
) -> None:
    first, second = full(tmp_path / "1.sluice"), full(tmp_path / "2.sluice")
    assert first.read_bytes() == second.read_bytes()
    folder = Bundle.load(unfolded(first, tmp_path / "folder"), (PUBLIC,))
    zipped = Bundle.load(first, (PUBLIC,))
    assert (folder.digest, folder.onnx, folder.npz) == (zipped.digest, zipped.onnx, zipped.npz)
    assert (zipped.size, folder.size) == (first.stat().st_size, sum(zipped.sizes.values()))


def test_a_zip_tells_nothing_of_when_and_where_it_was_made(tmp_path: Path) -> None:
    with zipfile.ZipFile(full(tmp_path / "b.sluice")) as archive:
        entries = archive.infolist()
    assert [e.filename for e in entries] == sorted(contents(tmp_path / "b.sluice"))
    assert {e.date_time for e in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {(e.create_system, e.external_attr) for e in entries} == {(3, 0o100644 << 16)}


def test_the_manifest_keeps_what_the_export_says(tmp_path: Path) -> None:
    gates = (
        Gate(name="latency", unit="µs", limit=4000, found=12.5, passed=True),
        Gate(name="agreement", unit="share", limit=None, found=0.1 + 0.2, passed=True, note="fp32"),
    )
    path = full(tmp_path / "b.sluice", gates=gates, stages={"quantise": {"to": "int8"}})
    manifest = Bundle.load(path, (PUBLIC,)).manifest
    assert manifest.gates == gates
    assert manifest.stages == {"quantise": {"to": "int8"}}
    assert manifest.limits == {"memory_mib": 96, "bundle_kib": 256, "latency_us": 4000}
    with pytest.raises(BundleError, match=r"gates\.0\.found: .*finite"):
        make(tmp_path / "c.sluice", gates=[gates[0].model_dump() | {"found": float("nan")}])


def test_another_playground_verifies_and_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "blue.sluice"
    files = {POLICY_ONNX: b"a graph", MODEL_CARD: b"card"}
    write_bundle(path, CAGE2, files, SECRET)
    manifest = Bundle.open(path, (PUBLIC,)).manifest
    assert manifest.outputs["logits"] == ["batch", 145]
    with pytest.raises(BundleError, match=r"blue\.sluice: a policy for 'cage2'.*'gateway'"):
        Bundle.load(path, (PUBLIC,))


def test_another_schema_is_refused_with_both_hashes_when_written_and_when_read(
    tmp_path: Path,
) -> None:
    path, both = tmp_path / "b.sluice", f"0123456789abcdef.*{SCHEMA_HASH}; export"
    with pytest.raises(SchemaMismatch, match=both):
        make(path, schema_hash="0123456789abcdef")
    assert not path.exists()
    make(path, schema_hash="0123456789abcdef", playground="another")
    with pytest.raises(BundleError, match="'another'"):
        Bundle.load(path, (PUBLIC,))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"verdicts": ["allow"]}, "verdicts or features"),
        ({"features": ["one"]}, "verdicts or features"),
        ({"baseline": [0.0]}, f"baseline must have {F}"),
        ({"name": 7}, "name: .*string"),
        ({"quantisation": "int4"}, "quantisation"),
        ({"limits": {"memory_mib": float("inf")}}, "limits.memory_mib"),
    ],
)
def test_what_no_agent_would_load_is_not_written(
    tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(BundleError, match=says):
        make(tmp_path / "b.sluice", **changes)
    assert not (tmp_path / "b.sluice").exists()


def test_a_bundle_without_its_network_or_with_a_leading_name_is_not_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "b.sluice"
    with pytest.raises(BundleError, match=r"needs policy\.onnx"):
        write_bundle(path, CAGE2, {MODEL_CARD: b""}, SECRET)
    files = {POLICY_ONNX: b"", MODEL_CARD: b"", "../evil": b""}
    with pytest.raises(BundleError, match=r"'\.\./evil' is no plain file name"):
        write_bundle(path, CAGE2, files, SECRET)
    with pytest.raises(OutputError, match="cannot be written"):
        make(tmp_path / "absent" / "b.sluice")
    assert not path.exists()


def test_a_later_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="layout has version 2, this agent reads 1"):
        make(tmp_path / "b.sluice", format=2)


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
    for read in (lambda: Bundle.load(path, (PUBLIC,)), lambda: Claims.read(path)):
        with pytest.raises(BundleError, match=r"b\.sluice"):
            read()


def test_claims_are_read_without_a_key(tmp_path: Path) -> None:
    path = full(tmp_path / "b.sluice")
    claims, bundle = Claims.read(path), Bundle.open(path, (PUBLIC,))
    assert (claims.digest, claims.manifest, claims.model_card, claims.size) == (
        *(bundle.digest, bundle.manifest, bundle.model_card, bundle.size),
    )
    assert not hasattr(claims, "onnx")
    assert {MANIFEST, SIGNATURE} < claims.sizes.keys()


def test_the_default_policy_says_what_it_is() -> None:
    manifest = Bundle.default().manifest
    assert "hindsight" in manifest.kind
    assert "Trained on replayed traffic of composed" in manifest.description
    assert "## Where it fails" in Bundle.default().model_card
    assert json.dumps(manifest.provenance)
    assert len(Bundle.default().onnx) < 300_000
    assert manifest.features == tuple(feature.name for feature in FEATURES)
