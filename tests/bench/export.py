"""What an export costs and saves: ``python -m tests.bench.export CHECKPOINT --corpus CORPUS…``.

A trained policy beside what pruning and quantisation make of it: size, latency, and on captures
for validation the verdicts and points that are left. Prints a Markdown table. Latencies
are those of calls in turn, one of each candidate after the other, so that all meet the same
machine; of several windows the quietest counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agent.engine import Judge
from agent.int8 import packed
from agent.profile import Profile
from export.exported import PRUNED
from export.gateway import Source, export
from export.gateway_command import recordings
from export.gateway_settings import Plan
from export.measure import observations, quietest
from export.policy_onnx import policy_onnx
from export.runners import Session
from export.student import loaded
from tests.bench.machine import machine
from training.gateway.corpus import manifest_path
from training.onnx_export import to_onnx
from training.provenance import commit
from training.report import table

SHARES = (0.0, 0.5, 0.75, 0.9)
WINDOWS, CALLS = 9, 2000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A form of the policy.

    Attributes:
        name: for people.
        size: bytes of its file.
        judge: what computes it.
    """

    name: str
    size: int
    judge: Judge


def candidates(work: Path, source: Source, plan: Plan) -> list[Candidate]:
    """The trained policy, and all that is made of it."""
    found = [_floats("trained, float32", source.actor)]
    for share in SHARES:
        profile, folder = _pruned(share), work / f"{share:.0%}"
        name = f"pruned {share:.0%}, " if share else ""
        for method in ("ptq", "qat"):
            made = export(folder, source, profile, plan.model_copy(update={"method": method}))
            assert made is not None
            if share and method == "ptq":
                student = loaded(folder / PRUNED)
                found.append(_floats(f"{name}float32", student))
            graph = policy_onnx(made.network, "int8")
            found.append(Candidate(f"{name}int8 {method.upper()}", len(graph), Session(graph)))
        floats, npz = policy_onnx(made.network, "fp32"), packed(made.network)
        found.append(Candidate(f"{name}its bits in float32", len(floats), Session(floats)))
        found.append(Candidate(f"{name}its bits by numpy", len(npz), made.network))
    return found


def _pruned(share: float) -> Profile:
    box = Profile.named("x86-64-gateway")
    return box.model_copy(update={"policy": box.policy.model_copy(update={"pruned": share})})


def _floats(name: str, network: nn.Module) -> Candidate:
    inputs = next(network.parameters()).shape[1]
    content = to_onnx(network, {"obs": torch.zeros(1, inputs)}, ["logits"])
    return Candidate(name, len(content), Session(content))


def latencies(judges: Sequence[Judge], rows: int) -> list[tuple[float, float]]:
    """The p50 and p99 of each, µs, for so many observations a call."""
    sample = observations(rows)
    windows: list[list[NDArray[np.int64]]] = [[] for _ in judges]
    for _ in range(WINDOWS):
        taken = np.empty((len(judges), CALLS), np.int64)
        for call in range(CALLS):
            for number, judge in enumerate(judges):
                begin = time.perf_counter_ns()
                judge.logits(sample)
                taken[number, call] = time.perf_counter_ns() - begin
        for each, row in zip(windows, taken, strict=True):
            each.append(row)
    found = [quietest(each) for each in windows]
    return [(each.p50_us, each.p99_us) for each in found]


def rows_of(source: Source, found: Sequence[Candidate]) -> list[Mapping[str, float | str]]:
    """A row for each candidate."""
    judges = [each.judge for each in found]
    one, many = latencies(judges, 1), latencies(judges, 64)
    made = []
    for each, alone, together in zip(found, one, many, strict=True):
        made.append(
            {
                "policy": each.name, "bytes": each.size, "p50_1": alone[0], "p99_1": alone[1],
                "p50_64": together[0],
                "agreement": source.reference.agreement(each.judge).share,
                "reward_loss": source.reference.reward_loss(each.judge),
            }
        )  # fmt: skip
        print(json.dumps(made[-1]), file=sys.stderr)
    return made


def main() -> None:
    """Print the table, and a line of JSON with what it depends on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--corpus", type=Path, action="append", required=True)
    parser.add_argument("--work", type=Path, default=Path("out/export/bench"))
    parser.add_argument("--cache", type=Path, default=Path("out/recordings"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    manifests = [manifest_path(each) for each in asked.corpus]
    folders = [each.parent for each in manifests]
    learned, validation = (
        recordings(manifests, folders, split, asked.cache, 2) for split in ("train", "validation")
    )
    source = Source.of(asked.checkpoint, manifests, learned, validation)
    found = rows_of(source, candidates(asked.work, source, Plan(tries=1)))
    heads = [
        "policy",
        "bytes",
        "p50 of 1, µs",
        "p99",
        "p50 of 64, µs",
        "same verdicts",
        "points lost",
    ]
    lines = [
        [
            str(row["policy"]), f"{row['bytes']:,}", f"{row['p50_1']:.1f}", f"{row['p99_1']:.1f}",
            f"{row['p50_64']:.1f}", f"{row['agreement']:.2%}", f"{row['reward_loss']:.1%}",
        ]
        for row in found
    ]  # fmt: skip
    print(table(heads, lines))
    print(json.dumps({"commit": commit(), "machine": machine()}))


if __name__ == "__main__":
    main()
