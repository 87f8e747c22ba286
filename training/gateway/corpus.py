"""A corpus: captures with what is known of them, and on which side of the split each one is.

It is a TOML file beside the captures, or far from them, with a table for each::

    [[capture]]
    path = "malicious/portscan.pcap"      # below the corpus's folder
    url = "https://example.org/a.pcap"    # where `sluice-train corpus fetch` finds it
    sha256 = "…"
    label = "malicious"                   # every flow; "benign" likewise; or "per flow"
    family = "scan"                       # of all flows, unless labels say
    spares = ["name", "infra"]            # flows to these services are not the attack's
    source = "https://example.org"        # captures of one source are alike
    split = "train"                       # or "validation", or "held-out"
    licence = "CC-BY-4.0"

Of a malicious capture, flows to ``spares`` are unlabelled: whether a DNS query in it belongs to the
attack is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from agent.toml_file import read_toml
from training.errors import CorpusError
from training.provenance import sha256

Split: TypeAlias = Literal["train", "validation", "held-out"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "held-out")
ServiceName: TypeAlias = Literal[
    "registered", "web", "name", "login", "file", "mail", "infra", "known", "dynamic"
]
"""Of `agent.observation.Service`, in small letters."""

PUBLIC: Final = Path(__file__).parent / "corpora" / "public.toml"
"""Captures that others published, split by source; see ``docs/corpora.md``."""


def _inside(path: str) -> str:
    """A path that cannot leave the corpus's folder: manifests come from anywhere."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        raise ValueError("write a path below the corpus's folder, with / between folders")
    return path


Inside: TypeAlias = Annotated[str, AfterValidator(_inside)]


class Capture(BaseModel):
    """One capture of a corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Inside = Field(description="of the file, below the corpus's folder")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the file")
    url: str = Field("", pattern="^(https?://.*)?$", description="where it can be fetched")
    label: Literal["benign", "malicious", "per flow"] = Field(description="of its flows")
    family: str = Field("", description="of all its flows, unless labels say")
    labels: Inside | None = Field(None, description="file with labels per flow, below the folder")
    spares: tuple[ServiceName, ...] = Field(
        (), description="services; flows to them are not the attack's"
    )
    source: str = Field(min_length=1, description="whose it is; captures of one source are alike")
    split: Split = Field("train", description="what it is used for")
    licence: str = Field("", description="as its source says")

    @model_validator(mode="after")
    def _is_labelled(self) -> Self:
        if (self.label == "per flow") != (self.labels is not None):
            raise ValueError('"labels" names a file if label is "per flow", and only then')
        if self.label != "per flow" and not self.family:
            raise ValueError('say the "family" of its flows')
        return self


class Corpus(BaseModel):
    """All captures; no path twice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    capture: tuple[Capture, ...] = ()

    @model_validator(mode="after")
    def _has_no_path_twice(self) -> Self:
        seen: set[str] = set()
        for each in self.capture:
            if each.path in seen:
                raise ValueError(f"{each.path} is there twice")
            seen.add(each.path)
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a manifest.

        Raises:
            CorpusError: it cannot be read, is no TOML, or says what cannot be.
        """
        return read_toml(path, cls, CorpusError)

    def save(self, path: Path) -> None:
        """Write a manifest, tables in the order of their paths.

        Raises:
            CorpusError: it cannot be written.
        """
        tables = [_table(each) for each in sorted(self.capture, key=lambda each: each.path)]
        try:
            path.write_text("\n".join(tables), encoding="utf-8")
        except OSError as error:
            raise CorpusError(f"{path}: cannot be written ({error.strerror})") from error

    def of(self, *splits: Split) -> list[Capture]:
        """Captures of some splits, in the manifest's order."""
        return [each for each in self.capture if each.split in splits]

    def with_captures(self, more: Iterable[Capture]) -> Self:
        """The same with more captures; one that has the path of an old one takes its place."""
        merged = {each.path: each for each in (*self.capture, *more)}
        return self.model_copy(update={"capture": tuple(merged.values())})


def _table(capture: Capture) -> str:
    lines = ["[[capture]]"]
    for name, value in capture.model_dump(exclude_defaults=True).items():
        shown = f"[{', '.join(map(_quoted, value))}]" if name == "spares" else _quoted(value)
        lines.append(f"{name} = {shown}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string (TOML 1.0, strings)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def digest(path: Path) -> str:
    """A file's SHA-256, in hexadecimal.

    Raises:
        CorpusError: it cannot be read.
    """
    try:
        return sha256(path)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from error


def manifest_path(name: Path) -> Path:
    """A manifest's file; that of our own corpus goes by the name of ``public``."""
    return PUBLIC if name == Path("public") else name
