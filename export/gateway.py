"""A gateway's checkpoint, stage by stage, into what a box loads.

======== ============ ====================================================================
distil   student.pt   a stack of rectified layers of the profile's widths learns the policy
prune    pruned.pt    the profile's share of hidden units goes
quantize policy.npz   whole numbers
onnx     policy.onnx  the same, for onnxruntime
======== ============ ====================================================================

What follows, gates and signature, is in `gateway_bundle.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from agent.bundle import POLICY_NPZ, POLICY_ONNX
from agent.int8 import Int8Network, packed, unpacked
from agent.profile import Profile
from export.exported import PRUNED, STAGES, STUDENT, Exported, Work
from export.gates import AGREEMENT, REWARD_LOSS
from export.gateway_card import Origin
from export.gateway_lessons import GatewayLessons, extremes
from export.gateway_settings import Plan
from export.lessons import learn
from export.likeness import Reference
from export.policy_onnx import operators, policy_onnx
from export.progress import Show
from export.prune import prune
from export.quantize import Ranges, Trained, quantised
from export.stages import Made
from export.student import fresh, is_student, linears, loaded, of_weights, saved, widths_of
from training.gateway.policy import Chooser, Logits, read
from training.gateway.recording import Recording
from training.networks import ActorCritic
from training.provenance import sha256

_LOOKED_AT: Final = 65_536  # examples that ranges are taken from


@dataclass(frozen=True)
class Source:
    """A trained policy, and what it is exported by.

    Attributes:
        sha256: of the checkpoint.
        network: of the checkpoint.
        origin: where it comes from.
        learned, validation: recordings to learn from, and to measure by.
        corpora: SHA-256 of the manifests that they are of.
    """

    sha256: str
    network: ActorCritic
    origin: Origin
    learned: Sequence[Recording]
    validation: Sequence[Recording]
    corpora: Sequence[str]

    @classmethod
    def of(
        cls,
        checkpoint: Path,
        manifests: Sequence[Path],
        learned: Sequence[Recording],
        validation: Sequence[Recording],
    ) -> Source:
        """Of a checkpoint's file.

        Raises:
            PolicyError: it cannot be used.
        """
        network, _, provenance = read(checkpoint)
        origin = Origin.of(checkpoint, provenance)
        corpora = sorted(sha256(path) for path in manifests)
        return cls(sha256(checkpoint), network, origin, learned, validation, corpora)

    @property
    def actor(self) -> nn.Module:
        """Observations ``(N, F)`` to logits ``(N, 4)``."""
        return Logits(self.network)

    @cached_property
    def reference(self) -> Reference:
        """What it decides and earns on the recordings to measure by."""
        return Reference.of(Chooser(self.network), self.validation)


def export(
    folder: Path,
    source: Source,
    profile: Profile,
    plan: Plan,
    *,
    until: str = STAGES[-1],
    show: Show = lambda name, done, of: None,
) -> Exported | None:
    """Take a policy through all stages, as far as the folder has not been taken already.

    Args:
        folder: of the stages' files.
        source: the policy.
        profile: of the boxes.
        plan: how.
        until: the last stage; without network and graph there is no result.
        show: called on the way.

    Raises:
        OutputError: the folder cannot be written to.
    """
    work = _Work(folder, plan.seed, show, source, profile, plan)
    return work.run(source.sha256, _settings(source, profile, plan), until)


def _settings(source: Source, profile: Profile, plan: Plan) -> dict[str, dict[str, Any]]:
    """What stages depend on, by name."""
    policy = profile.policy
    learns = {"seed": plan.seed, "noise": plan.noise, "corpora": list(source.corpora)}
    return {
        "distil": {"hidden": policy.hidden, "course": plan.distilling.model_dump()} | learns,
        "prune": {"share": policy.pruned, "pruning": plan.pruning.model_dump()} | learns,
        "quantize": {
            "method": plan.method, "tuning": plan.tuning.model_dump(), "tries": plan.tries,
        } | learns,
        "onnx": {"form": policy.quantisation},
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Work(Work):
    """The stages of this one."""

    source: Source
    profile: Profile
    plan: Plan

    def _distil(self) -> Made:
        layers = linears(self.source.actor)
        wanted = (layers[0].in_features, *self.profile.policy.hidden, layers[-1].out_features)
        actor = next(each for each in self.source.actor.children() if linears(each))
        if is_student(actor) and widths_of(actor) == wanted:
            student = of_weights([(layer.weight, layer.bias) for layer in layers])
            return {STUDENT: saved(student)}, {"widths": wanted, "learned": "nothing: as is"}
        student = fresh(wanted, self.plan.seed)
        course = self.plan.distilling
        kl = learn(student, self._lessons("distil"), course, self._steps("distil", course.steps))
        return {STUDENT: saved(student)}, {"widths": wanted, "kl_nats": kl}

    def _prune(self) -> Made:
        student, share = loaded(self.folder / STUDENT), self.profile.policy.pruned
        before = widths_of(student)
        if share:
            steps = self.plan.pruning.rounds * self.plan.pruning.course.steps
            lessons, show = self._lessons("prune"), self._steps("prune", steps)
            student = prune(student, lessons, share, self.plan.pruning, show)
        about = {"share": share, "widths_before": before, "widths": widths_of(student)}
        return {PRUNED: saved(student)}, about

    def _quantize(self) -> Made:
        student, lessons = loaded(self.folder / PRUNED), self._lessons("quantize")
        looked_at = torch.cat([lessons.draw(_LOOKED_AT).inputs, extremes()])
        ranges = Ranges.of(student, looked_at)
        if self.plan.method == "ptq":
            network = quantised(student, ranges)
            return {POLICY_NPZ: packed(network)}, {"method": "ptq", **self._kept(network)}
        tried: list[tuple[Int8Network, dict[str, float]]] = []
        course = self.plan.tuning
        while len(tried) < self.plan.tries and not (tried and _is_kept(tried[-1][1])):
            learner = Trained(student, ranges)
            show = self._steps(f"quantize, try {len(tried) + 1}", course.steps)
            kl = learn(learner, lessons, course, show)
            network = learner.network()
            tried.append((network, {"kl_nats": kl, **self._kept(network)}))
        best = max(range(len(tried)), key=lambda number: _worth(tried[number][1]))
        about = {"method": "qat", "tries": [kept for _, kept in tried], "chosen": best}
        return {POLICY_NPZ: packed(tried[best][0])}, about

    def _kept(self, network: Int8Network) -> dict[str, float]:
        """How much of the policy is left, on the recordings for validation."""
        reference = self.source.reference
        loss = reference.reward_loss(network)
        lost = 1.0 if math.isnan(loss) else loss  # who earns nothing proves nothing
        return {"agreement": reference.agreement(network).share, "reward_loss": lost}

    def _onnx(self) -> Made:
        network = unpacked((self.folder / POLICY_NPZ).read_bytes())
        form = self.profile.policy.quantisation
        content = policy_onnx(network, form)
        return {POLICY_ONNX: content}, {"form": form, "operators": sorted(operators(content))}

    def _lessons(self, name: str) -> GatewayLessons:
        source, seed = self.source, self._lessons_seed(name)
        return GatewayLessons(source.learned, source.actor, self.plan.noise, seed)


def _is_kept(kept: Mapping[str, float]) -> bool:
    """Whether a network decides and earns as its gates will have it."""
    return kept["agreement"] >= AGREEMENT and kept["reward_loss"] <= REWARD_LOSS


def _worth(kept: Mapping[str, float]) -> tuple[bool, float]:
    """What to choose among networks by: the greatest."""
    return kept["agreement"] >= AGREEMENT, -kept["reward_loss"]
