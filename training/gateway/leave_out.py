"""Families that a policy shall not learn: what it does about attacks of which nobody told it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np

from training.errors import CorpusError
from training.gateway.labels.families import FAMILIES, family_of
from training.gateway.recording import Recording


def families_named(names: Iterable[str]) -> tuple[str, ...]:
    """Families of attacks by any of their names, ``brute-force`` say.

    Raises:
        CorpusError: there is no such family.
    """
    found = []
    for name in names:
        family = family_of(name)
        if family not in FAMILIES:
            raise CorpusError(f"no family of attacks is called {name}: say {', '.join(FAMILIES)}")
        found.append(family)
    return tuple(found)


def leave_out(recording: Recording, families: Collection[str]) -> Recording:
    """The same traffic with the flows of some families unknown: neither rewarded nor punished."""
    left_out = np.isin(recording.family, list(families))
    return replace(recording, label=np.where(left_out, np.int8(-1), recording.label))
