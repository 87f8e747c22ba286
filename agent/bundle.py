"""Bundle: a policy with everything that says what it is, verified before it is used.

A folder or a ``.sluice`` zip of it: ``manifest.json``, ``policy.onnx``, ``model_card.md`` and
``signature``, an Ed25519 signature (RFC 8032) over the manifest's bytes, which hold the SHA-256 of
every other file: where there are, ``policy.npz`` for boxes without onnxruntime, and the language
model that taught, ``teacher.gguf``, with the report of its examination. Nothing but the manifest
and the signature is read before the signature verifies. The default bundle lies in the package
with its public key beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.bundle_files import Files, checked_name, opened, zipped
from agent.decision import VERDICTS
from agent.errors import BundleError, BundleTampered, SchemaMismatch
from agent.keys import read_public_key
from agent.observation import FEATURES, SCHEMA_HASH
from agent.output import open_output

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "signature"
POLICY_ONNX: Final = "policy.onnx"
POLICY_NPZ: Final = "policy.npz"
MODEL_CARD: Final = "model_card.md"
TEACHER_GGUF: Final = "teacher.gguf"
TEACHER_REPORT: Final = "teacher.json"
FORMAT: Final = 1
GATEWAY: Final = "gateway"
_REQUIRED: Final = (MANIFEST, SIGNATURE, POLICY_ONNX, MODEL_CARD)
_LARGEST_TEXT: Final = 4 << 20  # bytes of the manifest and of the card; ours have some 10 KB
_LARGEST_NETWORK: Final = 64 << 20  # bytes; a policy has at most a few MB

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Gate(BaseModel):
    """What the export measured of a policy, and held to a limit."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    unit: str
    limit: Finite | None = Field(description="none: measured, and held to nothing")
    found: Finite
    passed: bool
    note: str = ""


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: int = Field(FORMAT, description="version of this layout")
    name: str = Field(description="for people")
    kind: str = Field(description="how the policy came to be")
    description: str
    playground: str = Field(GATEWAY, description="what the policy acts in; boxes run gateway's")
    profile: str = Field("", description="of the firmware that it was made for; empty: any")
    limits: dict[str, Finite] = Field(
        {}, description="of that profile: memory_mib, bundle_kib, latency_us"
    )
    quantisation: Literal["fp32", "int8"] = Field("fp32", description="arithmetic of policy.onnx")
    inputs: dict[str, list[str | int]] = Field({}, description="shapes by name")
    outputs: dict[str, list[str | int]] = Field({}, description="shapes by name")
    # The four that follow are the gateway's contract; other playgrounds have none.
    schema_hash: str = Field("", description="of the observations that it was made for")
    verdicts: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    baseline: tuple[Finite, ...] = Field(
        (),
        description="a typical harmless observation, against which `sluice explain` weighs"
        " features",
    )
    provenance: dict[str, object] = Field(description="corpora with sha256, seeds, settings, score")
    stages: dict[str, object] = Field({}, description="what each stage of the export did")
    gates: tuple[Gate, ...] = Field((), description="what the export measured and held to limits")
    files: dict[str, str] = Field(description="SHA-256 by file name")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a bundle says of itself, which nobody has vouched for."""

    path: Path
    manifest: Manifest
    model_card: str
    digest: str  # SHA-256 of the manifest's bytes: names this policy in reports and journals
    size: int  # bytes on disk: of the zip, or of the folder's files together
    sizes: Mapping[str, int]  # bytes of each file, not compressed

    @classmethod
    def read(cls, path: Path) -> Claims:
        """Read what there is, and verify nothing.

        Raises:
            BundleError: it is no bundle, or cannot be read.
        """
        with opened(path) as files:
            _check_complete(files)
            text = files.read(MANIFEST, _LARGEST_TEXT)
            card = files.read(MODEL_CARD, _LARGEST_TEXT)
            return cls(
                path=path,
                manifest=_manifest(path, text),
                model_card=_text(path, card),
                digest=hashlib.sha256(text).hexdigest(),
                size=files.size,
                sizes=files.sizes,
            )


@dataclass(frozen=True, slots=True)
class Bundle(Claims):
    """A bundle whose signature and hashes have been found right.

    Attributes:
        onnx: the network for onnxruntime.
        npz: the same network for `agent.int8`, if there is one.
        key: the Ed25519 public key that signed it, 32 bytes.
    """

    onnx: bytes
    npz: bytes | None
    key: bytes

    @classmethod
    def open(cls, path: Path, keys: tuple[bytes, ...]) -> Bundle:
        """Read and verify a bundle of any playground.

        Args:
            path: a folder or a ``.sluice`` zip.
            keys: trusted Ed25519 public keys, 32 bytes each.

        Raises:
            BundleError: it cannot be read, or lacks a file.
            BundleTampered: a signature or a hash does not verify.
        """
        with opened(path) as files:
            _check_complete(files)
            text = files.read(MANIFEST, _LARGEST_TEXT)
            key = _signer(path, text, files.read(SIGNATURE, _LARGEST_TEXT), keys)
            manifest = _manifest(path, text)
            _check_covered(files, manifest)
            for name in manifest.files.keys() - {POLICY_ONNX, POLICY_NPZ, MODEL_CARD}:
                _check_hash(files, manifest, name)  # a teacher is large, and not needed here
            return cls(
                path=path,
                manifest=manifest,
                model_card=_text(path, _verified(files, manifest, MODEL_CARD, _LARGEST_TEXT)),
                digest=hashlib.sha256(text).hexdigest(),
                size=files.size,
                sizes=files.sizes,
                onnx=_verified(files, manifest, POLICY_ONNX, _LARGEST_NETWORK),
                npz=_verified(files, manifest, POLICY_NPZ, _LARGEST_NETWORK)
                if POLICY_NPZ in files.sizes
                else None,
                key=key,
            )

    @classmethod
    def load(cls, path: Path, keys: tuple[bytes, ...]) -> Bundle:
        """Read and verify a bundle that this agent can run.

        Raises:
            BundleError: as `open`, or it is not for a gateway.
            BundleTampered: as `open`.
            SchemaMismatch: it was made for other observations.
        """
        bundle = cls.open(path, keys)
        if bundle.manifest.playground != GATEWAY:
            raise BundleError(
                f"{path}: a policy for {bundle.manifest.playground!r}; this agent runs those for"
                f" {GATEWAY!r}"
            )
        _check_schema(path, bundle.manifest)
        return bundle

    @classmethod
    def default(cls) -> Bundle:
        """The bundle in the package, verified with the key in the package."""
        folder = Path(str(resources.files("agent") / "policies"))
        return cls.load(folder / "default.sluice", (read_public_key(folder / "default.pub"),))


def write_bundle(
    path: Path, manifest: Mapping[str, object], files: Mapping[str, bytes], private_key: bytes
) -> Bundle:
    """Hash, sign and zip a bundle; the same arguments make the same bytes.

    Args:
        path: the ``.sluice`` file to write.
        manifest: fields of `Manifest` but ``files``.
        files: contents by name, `POLICY_ONNX` and `MODEL_CARD` among them.
        private_key: 32 bytes of an Ed25519 key.

    Raises:
        BundleError: no agent would load it; nothing is written.
        OutputError: the file cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for name in (POLICY_ONNX, MODEL_CARD):
        if name not in files:
            raise BundleError(f"{path}: a bundle needs {name}")
    hashes = {
        checked_name(path, name): hashlib.sha256(content).hexdigest()
        for name, content in sorted(files.items())
    }
    try:
        made = Manifest.model_validate({**manifest, "files": hashes})
    except ValidationError as error:
        raise BundleError(f"{path}: {_mistake(error)}") from error
    if made.playground == GATEWAY:
        _check_schema(path, made)
    text = made.model_dump_json(indent=1).encode()
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    with open_output(path, ()) as file:
        file.write(zipped({**files, MANIFEST: text, SIGNATURE: key.sign(text)}))
    return Bundle.open(path, (key.public_key().public_bytes_raw(),))


def _check_complete(files: Files) -> None:
    for name in _REQUIRED:
        if name not in files.sizes:
            raise BundleError(f"{files.path}: no {name} in it; this is no complete policy bundle")


def _check_covered(files: Files, manifest: Manifest) -> None:
    """The signed files are there, and no others."""
    here = files.sizes.keys() - {MANIFEST, SIGNATURE}
    if missing := manifest.files.keys() - here:
        raise BundleTampered(f"{files.path}: {min(missing)} was signed and is missing")
    if unsigned := here - manifest.files.keys():
        raise BundleTampered(f"{files.path}: {min(unsigned)} is not covered by the signature")


def _verified(files: Files, manifest: Manifest, name: str, most: int) -> bytes:
    content = files.read(name, most)
    if hashlib.sha256(content).hexdigest() != manifest.files[name]:
        raise _other_file(files, name)
    return content


def _check_hash(files: Files, manifest: Manifest, name: str) -> None:
    found = hashlib.sha256()
    for chunk in files.chunks(name):
        found.update(chunk)
    if found.hexdigest() != manifest.files[name]:
        raise _other_file(files, name)


def _other_file(files: Files, name: str) -> BundleTampered:
    return BundleTampered(f"{files.path}: {name} is not the file that was signed")


def _manifest(path: Path, text: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise BundleError(f"{path}: {MANIFEST} is not understood: {_mistake(error)}") from error
    if manifest.format != FORMAT:
        raise BundleError(
            f"{path}: its layout has version {manifest.format}, this agent reads {FORMAT}; install"
            " the version that it was made with"
        )
    return manifest


def _mistake(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: {MODEL_CARD} is no text: {error}") from error


def _signer(path: Path, message: bytes, signature: bytes, keys: tuple[bytes, ...]) -> bytes:
    """The key that the signature verifies with."""
    # Only here, and only once a start: it costs 40 ms to import.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        except InvalidSignature:
            continue
        return key
    raise BundleTampered(
        f"{path}: not signed by a trusted key; if you trust its maker, pass the public key"
        " (--key FILE.pub), or put it under policy.keys in sluice.toml"
    )


def _check_schema(path: Path, manifest: Manifest) -> None:
    if manifest.schema_hash != SCHEMA_HASH:
        raise SchemaMismatch(
            f"{path}: made for observations {manifest.schema_hash}, this agent makes {SCHEMA_HASH};"
            " export the policy again with this version, or install the version it was made with"
        )
    if manifest.verdicts != VERDICTS or len(manifest.features) != len(FEATURES):
        raise SchemaMismatch(f"{path}: its verdicts or features are not this agent's")
    if len(manifest.baseline) != len(FEATURES):
        raise BundleError(f"{path}: the baseline must have {len(FEATURES)} values")
