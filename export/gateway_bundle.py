"""The last of a gateway's export: outcomes on held-out captures, gates, card and signature."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.bundle import MODEL_CARD, POLICY_NPZ, POLICY_ONNX, Bundle, Gate, write_bundle
from agent.decision import VERDICTS
from agent.int8 import packed
from agent.observation import FEATURES, NAMES, SCHEMA_HASH
from agent.profile import Profile
from export.exported import Exported
from export.gates import check, cost_gates, policy_gates, size_gates
from export.gateway import Source
from export.gateway_card import card
from export.measure import measure
from export.progress import Show
from export.stages import Made, stage
from export.teacher_gguf import teacher_files
from training.gateway.corpus import Capture
from training.gateway.evaluate import Evaluation, evaluate
from training.gateway.recording import Recording


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Captures that a policy has never seen.

    Attributes:
        words: which those are, for people.
        captures: of a corpus.
        folder: the corpus's.
    """

    words: str
    captures: Sequence[Capture]
    folder: Path


def outcomes(
    folder: Path, exported: Exported, held_out: HeldOut, show: Show = lambda name, done, of: None
) -> Evaluation:
    """What the exported policy does to held-out captures; not found out twice.

    Args:
        folder: of the stages' files.
        exported: the policy.
        held_out: the captures.
        show: called after each of them.
    """
    depends_on = {
        "network": hashlib.sha256(packed(exported.network)).hexdigest(),
        "captures": [each.model_dump(mode="json") for each in held_out.captures],
    }

    def replay() -> Made:
        done = count(1)
        return {}, evaluate(
            held_out.captures,
            held_out.folder,
            exported.network,
            advance=lambda: show("held-out captures", next(done), len(held_out.captures)),
        ).as_json()

    return Evaluation.of_json(stage(folder, "outcomes", depends_on, replay).about)


def make_bundle(
    out: Path,
    work: Path,
    source: Source,
    exported: Exported,
    profile: Profile,
    key: bytes,
    *,
    name: str,
    held_out: HeldOut,
    found: Evaluation,
    baseline: NDArray[np.float32],
) -> Bundle:
    """Measure a policy, hold it to its gates, and sign it.

    Args:
        out: the bundle to write.
        work: folder of the stages' files, which keeps what was measured, too.
        source: what it was exported from.
        exported: what was made of it.
        profile: of the boxes.
        key: Ed25519 private key, 32 bytes.
        name: of the policy.
        held_out: captures that it was tried on.
        found: what it did to them.
        baseline: the ordinary state that explanations compare with, ``(F,)``.

    Raises:
        GateFailed: a gate did not pass; nothing is written.
        MeasureFailed: its costs could not be measured.
        OutputError: the file cannot be written.
        TeacherError: the profile carries a teacher, and ours cannot be used.
    """
    files = {POLICY_ONNX: exported.onnx, POLICY_NPZ: packed(exported.network)}
    files |= teacher_files() if profile.teacher.on_box else {}

    def written(path: Path, gates: Sequence[Gate]) -> Bundle:
        text = card(
            source.origin, name=name, profile=profile.name, widths=exported.network.widths,
            exported=_words(exported.stages), found=found, evaluated=held_out.words, gates=gates,
        )  # fmt: skip
        manifest = _manifest(source, exported, profile, held_out, found, gates)
        manifest |= {"name": name, "baseline": [float(each) for each in baseline]}
        return write_bundle(path, manifest, {**files, MODEL_CARD: text.encode()}, key)

    def measured() -> Made:
        gates = policy_gates(exported.network, profile.policy.quantisation, source.reference)
        gates += _costs(written, gates, profile)
        check(gates, profile.name)  # what did not pass is not kept: a busy machine grows quiet
        return {}, {"gates": [gate.model_dump() for gate in gates]}

    # Kept as everything is: measured twice, a bundle would not be the same twice.
    depends_on = {
        "checkpoint": source.sha256,
        "corpora": list(source.corpora),
        "files": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
        "profile": profile.model_dump(mode="json"),
        "said": [name, held_out.words, found.as_json()],
    }
    kept = stage(work, f"gates-{profile.name}", depends_on, measured)
    return written(out, [Gate.model_validate(gate) for gate in kept.about["gates"]])


def _costs(
    written: Callable[[Path, Sequence[Gate]], Bundle], gates: Sequence[Gate], profile: Profile
) -> list[Gate]:
    """What a bundle costs, which can be told when it has been made: of one with fewer gates."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trial.sluice"
        trial = written(path, gates)
        cost = measure(path, trial.key, profile.policy.runner, profile.engine.batch)
        costs = cost_gates(cost, profile)
        sizes = size_gates(trial.size, trial.sizes, profile)
        trial = written(path, [*gates, *costs, *sizes])
    return [*costs, *size_gates(trial.size, trial.sizes, profile)]


def ordinary(recordings: Sequence[Recording]) -> NDArray[np.float32]:
    """The mean observation ``(F,)`` of legitimate flows."""
    total, count = np.zeros(len(FEATURES)), 0
    for each in recordings:
        legitimate = each.observations[each.label[each.flow] == 0]
        total += legitimate.sum(axis=0)
        count += len(legitimate)
    return (total / max(1, count)).astype(np.float32)


def _manifest(
    source: Source,
    exported: Exported,
    profile: Profile,
    held_out: HeldOut,
    found: Evaluation,
    gates: Sequence[Gate],
) -> dict[str, Any]:
    features, *_, verdicts = exported.network.widths
    return {
        "kind": source.origin.kind,
        "description": source.origin.description,
        "profile": profile.name,
        "limits": profile.limits.model_dump(),
        "quantisation": profile.policy.quantisation,
        "inputs": {"obs": ["batch", features]},
        "outputs": {"logits": ["batch", verdicts]},
        "schema_hash": SCHEMA_HASH,
        "verdicts": VERDICTS,
        "features": NAMES,
        "provenance": {
            **source.origin.provenance,
            "checkpoint_sha256": source.sha256,
            "exported_with": list(source.corpora),
            "evaluated": held_out.words,
            "outcomes": found.as_json(),
        },
        "stages": exported.stages,
        "gates": [gate.model_dump() for gate in gates],
    }


def _words(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """What the export did."""
    share, method = stages["prune"]["share"], stages["quantize"]["method"]
    pruned = f"{share:.0%} of its hidden units pruned, " if share else ""
    how = {"qat": "with training", "ptq": "after training"}[method]
    return f"{pruned}quantised to int8 {how}, computed in {stages['onnx']['form']}"
