"""``sluice-export keygen``: a key pair to sign bundles with, and reading it back."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Annotated

import typer

from agent.errors import ConfigError, OutputError
from agent.keys import public_text
from agent.words import printable


def keygen(
    file: Annotated[Path, typer.Argument(help="the private key to make; FILE.pub goes beside it")],
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """Make an Ed25519 key pair to sign bundles with; nothing is ever overwritten."""
    public = file.with_suffix(".pub")
    if public == file:
        raise typer.BadParameter(f"{file} is the public key's name; give the private key another")
    key = write_keys(file, public)
    if as_json:
        print(json.dumps({"private": str(file), "public": str(public), "key": key}))
        return
    print(f"private key: {printable(file)} (whoever has it can sign for your boxes)")
    print(f"public key:  {printable(public)}")
    print("In sluice.toml of the boxes that shall trust it:\n")
    print(f'[policy]\nkeys = ["{key}"]')


def write_keys(private: Path, public: Path) -> str:
    """Make a pair of keys.

    Args:
        private: becomes PKCS #8 in PEM (RFC 7468), for its owner alone.
        public: becomes a line of text.

    Returns:
        That line.

    Raises:
        OutputError: one is there already, or cannot be written; then neither is made.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    line = public_text(key.public_key().public_bytes_raw())
    _create(public, f"{line}\n".encode(), 0o644)
    try:
        _create(private, pem, 0o600)
    except OutputError:
        public.unlink()
        raise
    return line


def load_private_key(path: Path) -> bytes:
    """The 32 bytes of a private key that `write_keys` made, or ``openssl genpkey``.

    Raises:
        ConfigError: it cannot be read, others can read it, or it is no Ed25519 key in PEM.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(1 << 16)
    except OSError as error:
        raise ConfigError(
            f"{path}: the private key cannot be read ({error.strerror}); `sluice-export keygen`"
            " makes one"
        ) from error
    if mode & 0o077:
        raise ConfigError(f"{path}: others may read this private key (mode {mode:o}); chmod 600 it")
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError as error:
        raise ConfigError(
            f"{path}: is encrypted; write it without a passphrase: openssl pkey -in {path.name}"
        ) from error
    except Exception as error:  # cryptography's errors for damaged PEM share no narrower base
        raise ConfigError(f"{path}: no private key in PEM, as keygen makes it") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: no Ed25519 key; `sluice-export keygen` makes one")
    return key.private_bytes_raw()


def _create(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise OutputError(f"{path}: is there already, and no key is overwritten") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
    except OSError as error:
        path.unlink()
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
