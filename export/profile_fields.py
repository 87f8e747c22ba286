"""The fields of a firmware profile, for people: name, what it may be, its meaning, its value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agent.profile import Profile

_TYPES: Final = {str: "text", bool: "true or false", int: "whole number", float: "number"}
_BOUNDS: Final = {"ge": "at least", "gt": "above", "le": "at most"}


@dataclass(frozen=True, slots=True)
class ProfileField:
    """A field: ``section.name``; ``default`` is None where the file must say."""

    name: str
    values: str
    default: object
    meaning: str


def profile_fields(
    model: type[BaseModel] = Profile, prefix: str = "", given: object = None
) -> Iterator[ProfileField]:
    """Every field in the order of the file.

    Args:
        model: of the section.
        prefix: of the names.
        given: the section's default, where it has one; its fields are the defaults then.
    """
    for name, field in model.model_fields.items():
        kind = field.annotation
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if isinstance(given, BaseModel):
            default = getattr(given, name)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from profile_fields(kind, f"{prefix}{name}.", default)
        else:
            yield ProfileField(f"{prefix}{name}", _values(field), default, field.description or "")


def value_of(profile: Profile, name: str) -> object:
    """The value of ``section.name``."""
    value: object = profile
    for part in name.split("."):
        value = getattr(value, part)
    return value


def plain(value: object) -> str:
    """A value as TOML would have it, without the quotes."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return ", ".join(map(plain, value)) or "none"
        case _:
            return str(value)


def _values(field: FieldInfo) -> str:
    """What the field may be."""
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return "list of text"
    bounds = (
        f"{words} {getattr(bound, name)}"
        for bound in field.metadata
        for name, words in _BOUNDS.items()
        if hasattr(bound, name)
    )
    return ", ".join((_TYPES[kind], *bounds))
