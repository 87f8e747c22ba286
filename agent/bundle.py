"""Bundle: a policy with everything that says what it is, verified before it is used.

A folder or a ``.sluice`` zip of it: ``manifest.json``, ``policy.onnx``, ``model_card.md`` and
``signature``, an Ed25519 signature (RFC 8032) over the manifest's bytes, which hold the SHA-256 of
every other file. The default bundle lies in the package with its public key beside it.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.decision import VERDICTS
from agent.errors import BundleError, BundleTampered, SchemaMismatch
from agent.observation import FEATURES, SCHEMA_HASH

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "signature"
POLICY_ONNX: Final = "policy.onnx"
MODEL_CARD: Final = "model_card.md"
_LARGEST: Final = 64 << 20  # bytes of one file; a policy has at most a few MB
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the same inputs make the same bytes


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: int = Field(1, description="version of this layout")
    name: str = Field(description="for people")
    kind: str = Field(description="how the policy came to be")
    description: str
    schema_hash: str = Field(description="of the observations that it was made for")
    verdicts: tuple[str, ...]
    features: tuple[str, ...]
    baseline: tuple[float, ...] = Field(
        description="a typical harmless observation, against which `sluice explain` weighs features"
    )
    provenance: dict[str, object] = Field(description="corpora with sha256, seeds, settings, score")
    files: dict[str, str] = Field(description="SHA-256 by file name")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose signature, hashes and schema have been found right."""

    path: Path
    manifest: Manifest
    onnx: bytes
    model_card: str
    digest: str  # SHA-256 of the manifest's bytes: names this policy in reports and journals

    @classmethod
    def load(cls, path: Path, keys: tuple[bytes, ...]) -> Bundle:
        """Read and verify a bundle against trusted Ed25519 public keys (32 bytes each).

        Raises:
            BundleError: it cannot be read, or lacks a file.
            BundleTampered: a signature or a hash does not verify.
            SchemaMismatch: it was made for other observations.
        """
        files = _read(path)
        for name in (MANIFEST, SIGNATURE, POLICY_ONNX, MODEL_CARD):
            if name not in files:
                raise BundleError(f"{path}: no {name} in it; this is no complete policy bundle")
        _verify_signature(path, files[MANIFEST], files[SIGNATURE], keys)
        try:
            manifest = Manifest.model_validate_json(files[MANIFEST])
        except ValidationError as error:
            raise BundleError(f"{path}: {MANIFEST} is not understood: {error}") from error
        for name, expected in manifest.files.items():
            if hashlib.sha256(files.get(name, b"")).hexdigest() != expected:
                raise BundleTampered(f"{path}: {name} is not the file that was signed")
        if unsigned := files.keys() - manifest.files.keys() - {MANIFEST, SIGNATURE}:
            raise BundleTampered(f"{path}: {min(unsigned)} is not covered by the signature")
        _check_schema(path, manifest)
        return cls(
            path=path,
            manifest=manifest,
            onnx=files[POLICY_ONNX],
            model_card=files[MODEL_CARD].decode(),
            digest=hashlib.sha256(files[MANIFEST]).hexdigest(),
        )

    @classmethod
    def default(cls) -> Bundle:
        """The bundle in the package, verified with the key in the package."""
        folder = Path(str(resources.files("agent") / "policies"))
        return cls.load(folder / "default.sluice", ((folder / "default.pub").read_bytes(),))


def write_bundle(
    path: Path, manifest: Mapping[str, object], files: Mapping[str, bytes], private_key: bytes
) -> Bundle:
    """Hash, sign and zip a bundle; the same arguments make the same bytes.

    Args:
        path: the ``.sluice`` file to write.
        manifest: fields of `Manifest` but ``files``.
        files: contents by name, `POLICY_ONNX` and `MODEL_CARD` among them.
        private_key: 32 bytes of an Ed25519 key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    text = Manifest.model_validate({**manifest, "files": hashes}).model_dump_json(indent=1).encode()
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    contents = {MANIFEST: text, SIGNATURE: key.sign(text), **files}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return Bundle.load(path, (key.public_key().public_bytes_raw(),))


def _read(path: Path) -> dict[str, bytes]:
    """Contents by name, each at most `_LARGEST` bytes."""
    try:
        if path.is_dir():
            names = {p.name: p for p in path.iterdir() if p.is_file()}
            too_large = [n for n, p in names.items() if p.stat().st_size > _LARGEST]
            contents = {} if too_large else {n: p.read_bytes() for n, p in names.items()}
        else:
            with zipfile.ZipFile(path) as archive:
                too_large = [i.filename for i in archive.infolist() if i.file_size > _LARGEST]
                contents = {} if too_large else {n: archive.read(n) for n in archive.namelist()}
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    except zipfile.BadZipFile as error:
        raise BundleError(f"{path}: neither a folder nor a .sluice zip ({error})") from error
    if too_large:
        raise BundleError(f"{path}: {too_large[0]} is larger than {_LARGEST >> 20} MiB")
    return contents


def _verify_signature(
    path: Path, message: bytes, signature: bytes, keys: tuple[bytes, ...]
) -> None:
    # Only here, and only once a start: it costs 40 ms to import.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        except InvalidSignature:
            continue
        return
    raise BundleTampered(
        f"{path}: not signed by a trusted key; if you made it, pass its public key (--key FILE.pub)"
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
