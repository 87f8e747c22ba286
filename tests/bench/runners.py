"""Whether the runners agree: ``python -m tests.bench.runners --corpus public --folder CAPTURES``.

Asks the default policy about every decision point of every capture of a corpus, by onnxruntime in
int8, by onnxruntime in float32, and by numpy, and prints one line of JSON: how many points there
are, at how many verdicts differ, and how many logits differ in any bit.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from agent.bundle import Bundle
from agent.int8 import unpacked
from export.likeness import disagreements
from export.runners import runners_of
from tests.bench.machine import machine
from training.gateway.corpus import SPLITS, Corpus, manifest_path
from training.gateway.library import recordings_of
from training.provenance import commit


def main() -> None:
    """Print the line; exit with 1 if a verdict differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=Path("public"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("out/recordings"))
    asked = parser.parse_args()
    content = Bundle.default().npz
    assert content is not None
    runners = runners_of(unpacked(content))
    corpus = Corpus.load(manifest_path(asked.corpus))
    captures = [capture for split in SPLITS for capture in corpus.of(split)]
    points = verdicts = logits = 0
    for _, recording in recordings_of(captures, asked.folder, asked.cache):
        found = disagreements([each.logits(recording.observations) for each in runners.values()])
        points, verdicts, logits = (
            points + len(recording.observations), verdicts + found[0], logits + found[1]
        )  # fmt: skip
    told = {"captures": len(captures), "points": points, "verdicts": verdicts, "logits": logits}
    print(json.dumps({**told, "commit": commit(), "machine": machine()}))
    raise SystemExit(int(verdicts > 0))


if __name__ == "__main__":
    main()
