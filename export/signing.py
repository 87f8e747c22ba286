"""The key that a bundle is signed with: the user's, or one for this bundle alone."""

from __future__ import annotations

from pathlib import Path

from agent.keys import public_text
from agent.output import open_output
from export.keygen_command import load_private_key


def signing_key(path: Path | None) -> bytes:
    """The private key of a file, or a new one that nobody keeps: 32 bytes.

    Raises:
        ConfigError: the file holds none, or others may read it.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if path is not None:
        return load_private_key(path)
    return Ed25519PrivateKey.generate().private_bytes_raw()


def write_public(bundle: Path, key: bytes) -> Path:
    """Put a public key beside its bundle; where that is.

    Raises:
        OutputError: it cannot be written.
    """
    path = bundle.with_suffix(".pub")
    with open_output(path, (bundle,)) as file:
        file.write(f"{public_text(key)}\n".encode())
    return path
