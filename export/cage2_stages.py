"""A CAGE-2 checkpoint, stage by stage, into a quantised policy of its contract.

======== ============ ====================================================================
distil   student.pt   a stack of rectified layers learns the actor; the memory stays exact
prune    pruned.pt    a share of its hidden units goes
quantize policy.npz   the actor in whole numbers
onnx     policy.onnx  actor and memory for onnxruntime
======== ============ ====================================================================

Beside them lie ``float32.onnx``, the checkpoint's own graph, and ``student.onnx``, what is left of
it before quantisation, so that scores can tell which stage lost what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from agent.bundle import POLICY_NPZ, POLICY_ONNX
from agent.int8 import packed, unpacked
from export.cage2_lessons import Cage2Lessons, Play
from export.cage2_onnx import cage2_onnx, float_onnx
from export.exported import PRUNED, STUDENT, Exported, Work
from export.lessons import learn
from export.policy_onnx import Form, operators
from export.progress import Show
from export.prune import prune
from export.quantize import Ranges, Trained
from export.settings import Course, Pruning
from export.stages import Made
from export.student import fresh, loaded, saved, widths_of
from training.cage2.checkpoint import read
from training.cage2.policy_onnx import policy_onnx
from training.cage2.settings import Blueprint
from training.networks import ActorCritic
from training.provenance import sha256
from training.settings import Fraction, Widths

FLOAT_ONNX: Final = "float32.onnx"
STUDENT_ONNX: Final = "student.onnx"
_LOOKED_AT: Final = 16_384  # examples that ranges are taken from


class Plan(BaseModel):
    """How a policy is exported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0, description="of all chance while the student learns")
    hidden: Widths = Field([64, 64], description="width of a hidden layer; repeat for more")
    pruned: float = Field(0.0, ge=0, lt=1, description="share of hidden units that goes")
    form: Form = Field("int8", description="arithmetic of the graph")
    play: Play = Play()
    led: Fraction = Field(
        0.1, description="share of the student's course in which its teacher plays"
    )
    distilling: Course = Course(temperature=1.0)
    pruning: Pruning = Pruning(course=Course(steps=500, learning_rate=5e-4, temperature=1.0))
    tuning: Course = Course(steps=1000, learning_rate=5e-4, temperature=1.0)


@dataclass(frozen=True, slots=True)
class Source:
    """A checkpoint: its file's name and SHA-256, and what is in it."""

    name: str
    sha256: str
    network: ActorCritic
    blueprint: Blueprint
    provenance: Mapping[str, Any]

    @classmethod
    def of(cls, checkpoint: Path) -> Source:
        """Of a file.

        Raises:
            PolicyError: it is no checkpoint of CAGE-2.
        """
        network, blueprint, provenance = read(checkpoint)
        return cls(checkpoint.name, sha256(checkpoint), network.eval(), blueprint, dict(provenance))


def export(
    folder: Path, source: Source, plan: Plan, show: Show = lambda name, done, of: None
) -> Exported:
    """Take a policy through all stages, as far as the folder has not been taken already.

    Raises:
        OutputError: the folder cannot be written to.
    """
    work = _Work(folder, plan.seed, show, source, plan)
    made = work.run(source.sha256, _settings(plan))
    assert made is not None  # all stages were asked for
    return made


def _settings(plan: Plan) -> dict[str, dict[str, Any]]:
    """What stages depend on, by name."""
    learns = {"seed": plan.seed, "play": plan.play.model_dump(mode="json")}
    return {
        "distil": {
            "hidden": plan.hidden, "led": plan.led, "course": plan.distilling.model_dump(),
        } | learns,
        "prune": {"share": plan.pruned, "pruning": plan.pruning.model_dump()} | learns,
        "quantize": {"tuning": plan.tuning.model_dump()} | learns,
        "onnx": {"form": plan.form},
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Work(Work):
    """The stages of this one."""

    source: Source
    plan: Plan

    def _distil(self) -> Made:
        plan, memory = self.plan, self.source.network.memory
        widths = (memory.num_inputs, *plan.hidden, memory.num_actions)
        student, lessons = fresh(widths, plan.seed), self._lessons("distil")

        def show(steps: int) -> None:
            if steps >= plan.led * plan.distilling.steps:
                lessons.player = student
            self.show("distil", steps, plan.distilling.steps)

        kl = learn(student, lessons, plan.distilling, show)
        return {STUDENT: saved(student)}, {"widths": widths, "kl_nats": kl}

    def _prune(self) -> Made:
        student, plan = loaded(self.folder / STUDENT), self.plan
        before = widths_of(student)
        if plan.pruned:
            lessons, steps = self._lessons("prune"), plan.pruning.rounds * plan.pruning.course.steps
            lessons.player = student
            show = self._steps("prune", steps)
            student = prune(student, lessons, plan.pruned, plan.pruning, show)
        about = {"share": plan.pruned, "widths_before": before, "widths": widths_of(student)}
        return {PRUNED: saved(student)}, about

    def _quantize(self) -> Made:
        student, lessons = loaded(self.folder / PRUNED), self._lessons("quantize")
        lessons.player = student
        learner = Trained(student, Ranges.of(student, lessons.draw(_LOOKED_AT).inputs))
        lessons.player = learner
        course = self.plan.tuning
        kl = learn(learner, lessons, course, self._steps("quantize", course.steps))
        about = {"method": "qat", "steps": course.steps, "kl_nats": kl}
        return {POLICY_NPZ: packed(learner.network())}, about

    def _onnx(self) -> Made:
        source, form = self.source, self.plan.form
        network = unpacked((self.folder / POLICY_NPZ).read_bytes())
        content = cage2_onnx(source.network.memory, network, form)
        files = {
            POLICY_ONNX: content,
            STUDENT_ONNX: float_onnx(source.network.memory, loaded(self.folder / PRUNED)),
            FLOAT_ONNX: policy_onnx(source.network),
        }
        sizes = {name: len(each) for name, each in files.items()}
        return files, {"form": form, "operators": sorted(operators(content)), "bytes": sizes}

    def _lessons(self, name: str) -> Cage2Lessons:
        source, seed = self.source, self._lessons_seed(name)
        return Cage2Lessons(source.network, source.blueprint, self.plan.play, seed)
