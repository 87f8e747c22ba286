"""Exports of a journal, as a daemon would write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.decision import VERDICTS
from agent.observation import FEATURES, SCHEMA_HASH

HEADER = {
    "format": "sluice-journal",
    "version": 1,
    "schema_hash": SCHEMA_HASH,
    "policy": "0123456789abcdef" * 4,
}


def row(**changes: Any) -> dict[str, Any]:
    """A decision that an analyst confirmed, but for ``changes``."""
    usual = {
        "time": 1700000000.25, "flow": "1", "observation": [0.5] * len(FEATURES),
        "logits": [0.0, 0.0, 2.5, 0.0], "policy": "block", "applied": "throttle",
        "reason": "confidence", "analyst": "malicious", "family": "scan",
    }  # fmt: skip
    return usual | changes


def rows_of(
    observations: NDArray[np.float32],
    flow: NDArray[np.int32],
    logits: NDArray[np.float32],
    malicious: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """Judged decisions: ``(n, F)``, ``(n,)``, ``(n, 4)`` and ``(n,)``."""
    verdict = [VERDICTS[k] for k in logits.argmax(1)]
    return [
        row(
            flow=str(flow[k]), observation=observations[k].tolist(), logits=logits[k].tolist(),
            policy=verdict[k], applied=verdict[k], reason="policy",
            analyst="malicious" if malicious[k] else "legitimate", family=None,
        )
        for k in range(len(flow))
    ]  # fmt: skip


def written(
    path: Path, rows: Iterable[Mapping[str, Any]], header: Mapping[str, Any] = HEADER
) -> Path:
    """An export of them."""
    path.write_text("".join(json.dumps(each) + "\n" for each in (header, *rows)))
    return path
