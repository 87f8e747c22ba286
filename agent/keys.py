"""Public keys that may sign bundles: Ed25519 (RFC 8032), as one line of text.

The 32 bytes in base64 (RFC 4648) are 44 characters, the line in a ``.pub`` file and the entry
under ``policy.keys`` in ``sluice.toml``. Older files hold the bare bytes.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Final

from agent.errors import ConfigError

_RAW: Final = 32  # bytes of a key
_TEXT: Final = 44  # characters of a key
_MOST: Final = 4096  # bytes read of a file, which has no more if it is a key


def public_text(raw: bytes) -> str:
    """A key of 32 bytes as text."""
    return base64.b64encode(raw).decode("ascii")


def parse_public_key(text: str) -> bytes:
    """The 32 bytes of a key's text, white space around it left away.

    Raises:
        ConfigError: it is no such text.
    """
    line = text.strip()
    try:
        raw = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(_no_key(line)) from error
    # The last character has bits to spare, which could be set.
    if len(raw) != _RAW or public_text(raw) != line:
        raise ConfigError(_no_key(line))
    return raw


def read_public_key(path: Path) -> bytes:
    """The 32 bytes of a key's file.

    Raises:
        ConfigError: it cannot be read, or holds no key.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST)
    except OSError as error:
        raise ConfigError(
            f"{path}: the public key cannot be read ({error.strerror}); pass --key FILE"
        ) from error
    if len(content) == _RAW:
        return content
    try:
        return parse_public_key(content.decode("ascii"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no public key; it should be a line of base64") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _no_key(line: str) -> str:
    hint = "; keep this file to yourself, its .pub is the one" if "PRIVATE KEY" in line else ""
    shown = "the text" if hint or len(line) > _TEXT else repr(line)
    return f"{shown} is no Ed25519 public key: that is {_TEXT} characters of base64{hint}"
