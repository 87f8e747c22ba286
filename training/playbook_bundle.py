"""``sluice-train playbook``: captures to the bundle of policy v0."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from agent.errors import CaptureUnreadable
from agent.observation import FEATURES, SCHEMA_HASH
from training.imitate import advice_on, collect, imitate, score
from training.policy_bundle import bundle
from training.provenance import commit

_SUFFIXES = (".pcap", ".pcapng", ".cap", ".trace", ".gz")

DESCRIPTION = (
    "Imitates a written playbook of soft rules. It has not been trained by reinforcement learning:"
    " it knows no more than the playbook and has learned nothing from consequences."
)

_CARD = """# Playbook policy (v0)

{description}

- Inputs: {features} features of a flow, its hosts and the rules in force (schema {schema}).
- Outputs: logits of allow, throttle, block, isolate.
- Made from: {captures} captures, {train:,} observations under the playbook's own control;
  {held_out_captures} captures with {held_out:,} observations were held out, by capture.
- Agreement with the playbook on those: {agreement:.2%} of all verdicts,
  {acts:.2%} where the playbook does not allow; KL {kl:.4f} nats.

What it can see is what the playbook describes: scans, sweeps, floods, brute force, beacons, bulk
and slow uploads, hosts that nobody answers. A single malicious request looks like any other to it.
Telemetry on a clock looks like a beacon; its advice there is a throttle, not a block.

Make it again with `sluice-train playbook`; change it by editing `training/gateway/playbook.py`.
"""


def find_captures(places: Sequence[Path]) -> list[Path]:
    """Capture files in files and folders, sorted.

    Raises:
        CaptureUnreadable: a place does not exist, or none holds a capture.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise CaptureUnreadable(f"{place}: no such file or folder")
        inside = place.rglob("*") if place.is_dir() else [place]
        found += [p for p in inside if p.is_file() and p.suffix in _SUFFIXES]
    if not found:
        raise CaptureUnreadable(f"no capture ({', '.join(_SUFFIXES)}) in {places[0]}")
    return sorted(found)


def make_playbook_bundle(
    places: Sequence[Path],
    out: Path,
    *,
    seed: int,
    epochs: int,
    hidden: Sequence[int],
    progress: Progress,
) -> dict[str, Any]:
    """Observe, imitate, score and write the bundle; returns what was measured."""
    captures = find_captures(places)
    task = progress.add_task("observing", total=len(captures))
    data = collect(captures, seed, progress=lambda n: progress.update(task, completed=n))
    task = progress.add_task("imitating", total=epochs)
    model = imitate(
        data.train, hidden, epochs, seed, progress=lambda n: progress.update(task, completed=n)
    )
    held_out = score(model, data.held_out if len(data.held_out) else data.train)
    harmless = data.train[advice_on(data.train)[:, 0] > 0.9]
    provenance = {
        "command": "sluice-train playbook",
        "commit": commit(),
        "seed": seed,
        "epochs": epochs,
        "hidden": list(hidden),
        "train": score(model, data.train),
        "held_out": held_out,
        "held_out_captures": data.held_out_captures,
        "captures_sha256": data.sha256,
    }
    card = _CARD.format(
        description=DESCRIPTION,
        features=len(FEATURES),
        schema=SCHEMA_HASH,
        captures=len(data.sha256) - len(data.held_out_captures),
        train=len(data.train),
        held_out_captures=len(data.held_out_captures),
        held_out=len(data.held_out),
        agreement=held_out["agreement"],
        acts=held_out["agreement_where_playbook_acts"],
        kl=held_out["kl_nats"],
    )
    made = bundle(
        out,
        model,
        name="playbook-v0",
        kind="playbook imitation, not reinforcement-learned",
        description=DESCRIPTION,
        baseline=harmless.mean(axis=0),
        provenance=provenance,
        model_card=card,
    )
    return {
        "bundle": str(out),
        "sha256": made.digest,
        "bytes": out.stat().st_size,
        "train": provenance["train"],
        "held_out": held_out,
    }
