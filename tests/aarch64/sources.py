"""The machine's own Debian mirrors, from the two formats of sources.list(5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.aarch64.tools import Missing


def source_lines(suite: str, mirror: str | None, apt: Path = Path("/etc/apt")) -> list[str]:
    """One-line sources of a suite's ``main``: those of ``mirror``, else of the machine.

    Raises:
        Missing: no source of the machine has the suite.
    """
    if mirror:
        return [f"deb {mirror} {suite} main"]
    found: dict[str, None] = {}
    for path in sorted([apt / "sources.list", *(apt / "sources.list.d").glob("*")]):
        if path.is_file() and path.suffix in {".list", ".sources"}:
            entries = _stanzas if path.suffix == ".sources" else _lines
            for uri, suites, components in entries(path.read_text(errors="replace")):
                if suite in suites and "main" in components:
                    found[f"deb {uri} {suite} main"] = None
    if not found:
        raise Missing(f"no apt source of this machine has {suite} main: set MIRROR=URL of Debian's")
    return list(found)


def _lines(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """``deb [options] URI suite component…``."""
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[[^]]*\]\s*)?(\S+)\s+(\S+)\s+([^#]*)", line)
        if found:
            yield found[1], [found[2]], found[3].split()


def _stanzas(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Deb822: fields, each on the line of its name or continued below, stanzas by empty lines."""
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", bare):
        fields = {
            name.lower(): value.split()
            for name, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.M)
        }
        if "deb" in fields.get("types", []) and fields.get("enabled") != ["no"]:
            for uri in fields.get("uris", []):
                yield uri, fields.get("suites", []), fields.get("components", [])
