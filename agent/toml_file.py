"""TOML files as pydantic models, with errors that say where and what."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from agent.errors import SluiceError

M = TypeVar("M", bound=BaseModel)


def read_toml(path: Path, model: type[M], error: type[SluiceError]) -> M:
    """Read a file.

    Args:
        path: of the file.
        model: what it must say.
        error: raised if it cannot be read, is no TOML, or says something else; names the field.
    """
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror})") from reason
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise error(f"{path}: no TOML: {reason}") from reason
    except ValidationError as reason:
        first = reason.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise error(f"{path}: {where}: {first['msg']}") from reason
