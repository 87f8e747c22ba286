"""A corpus of the committed samples, for tests."""

from __future__ import annotations

from pathlib import Path

from training.gateway.corpus import Capture, Corpus, Split
from training.provenance import sha256

SAMPLES = Path(__file__).parents[2] / "captures"


def sample(name: str, split: Split = "train") -> Capture:
    """One of the committed captures."""
    return Capture(
        path=f"{name}.pcap",
        sha256=sha256(SAMPLES / f"{name}.pcap"),
        label="per flow",
        labels=f"{name}.labels.csv",
        source=name,
        split=split,
    )


def written(path: Path, *captures: Capture) -> Path:
    """A manifest of them."""
    Corpus(capture=captures).save(path)
    return path
