"""What both exports have in common: their stages, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from agent.bundle import POLICY_NPZ, POLICY_ONNX
from agent.int8 import Int8Network, unpacked
from export.progress import Show
from export.stages import Made, Stage, stage

STAGES: Final = ("distil", "prune", "quantize", "onnx")
STUDENT: Final = "student.pt"
PRUNED: Final = "pruned.pt"


@dataclass(frozen=True, slots=True)
class Exported:
    """What the stages made.

    Attributes:
        network: in whole numbers.
        onnx: for onnxruntime, in the arithmetic that was asked for.
        stages: what each did, by name.
    """

    network: Int8Network
    onnx: bytes
    stages: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, folder: Path, done: Sequence[Stage]) -> Self:
        """That of a folder in which all stages are done."""
        return cls(
            unpacked((folder / POLICY_NPZ).read_bytes()),
            (folder / POLICY_ONNX).read_bytes(),
            {each.name: each.about for each in done},
        )


@dataclass(frozen=True, slots=True)
class Work:
    """The stages of one export; each kind of playground has its own.

    Attributes:
        folder: of the stages' files.
        seed: of all chance.
        show: called on the way.
    """

    folder: Path
    seed: int
    show: Show

    def run(
        self, checkpoint: str, settings: Mapping[str, Mapping[str, Any]], until: str = STAGES[-1]
    ) -> Exported | None:
        """Make stages in their order, each depending on the one before.

        Args:
            checkpoint: its SHA-256, which the first depends on.
            settings: what else each depends on, by name, as JSON can hold it.
            until: the last one; before the very last there is no result.

        Raises:
            OutputError: the folder cannot be written to.
        """
        makers = (self._distil, self._prune, self._quantize, self._onnx)
        done: list[Stage] = []
        for name, make in zip(STAGES, makers, strict=True):
            before = done[-1].digest if done else checkpoint
            done.append(stage(self.folder, name, {"before": before, **settings[name]}, make))
            if name == until:
                break
        return Exported.of(self.folder, done) if until == STAGES[-1] else None

    def _distil(self) -> Made:
        raise NotImplementedError

    def _prune(self) -> Made:
        raise NotImplementedError

    def _quantize(self) -> Made:
        raise NotImplementedError

    def _onnx(self) -> Made:
        raise NotImplementedError

    def _lessons_seed(self, name: str) -> int:
        """A stage's, whether or not the ones before were made just now."""
        return self.seed * len(STAGES) + STAGES.index(name)

    def _steps(self, name: str, of: int) -> Callable[[int], object]:
        return lambda done: self.show(name, done, of)
