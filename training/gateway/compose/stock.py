"""A stock of parts to draw from, so that no family and no source drowns the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeAlias

from training.errors import CorpusError
from training.gateway.compose.conversations import NS
from training.gateway.compose.parts import Part

_Shelf: TypeAlias = dict[str, dict[str, list[Part]]]
"""Parts by family or source, then by capture."""


class Stock:
    """Benign parts by source, attacks by family; those that fit into a gateway's time.

    Raises:
        CorpusError: no benign part fits.
    """

    def __init__(self, parts: Sequence[Part], minutes: float) -> None:
        self._benign: _Shelf = {}
        self._attacks: _Shelf = {}
        for part in parts:
            if part.duration_ns > minutes * 60 * NS:
                continue
            family = part.family
            shelf = self._benign if family is None else self._attacks
            by_capture = shelf.setdefault(part.source if family is None else family, {})
            by_capture.setdefault(part.capture, []).append(part)
        if not self._benign:
            raise CorpusError(
                f"no benign traffic to compose from lasts at most {minutes:g} minutes;"
                " add captures with benign flows to this split"
            )

    def benign(self, rng: Random) -> Iterator[Part]:
        """All benign parts in random order: sources take turns by chance, then their captures."""
        return _drawn(self._benign, rng)

    def attacks(self, rng: Random) -> Iterator[Part]:
        """All attacks in random order: families take turns by chance, then their captures."""
        return _drawn(self._attacks, rng)


def _drawn(shelf: _Shelf, rng: Random) -> Iterator[Part]:
    """Each part once; every group as likely as any other, and in it every capture."""
    left = {g: {c: list(parts) for c, parts in captures.items()} for g, captures in shelf.items()}
    while left:
        group = rng.choice(list(left))
        capture = rng.choice(list(left[group]))
        parts = left[group][capture]
        yield parts.pop(rng.randrange(len(parts)))
        if not parts:
            del left[group][capture]
        if not left[group]:
            del left[group]
