"""What both exports have in common: their stages' names, and what comes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from agent.bundle import POLICY_NPZ, POLICY_ONNX
from agent.int8 import Int8Network, unpacked
from export.stages import Make, Stage, stage

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


def chained(
    folder: Path,
    checkpoint: str,
    settings: Mapping[str, Mapping[str, Any]],
    makers: Mapping[str, Make],
) -> list[Stage]:
    """Make stages in their order, each depending on the one before.

    Args:
        folder: of the export.
        checkpoint: its SHA-256, which the first depends on.
        settings: what else each depends on, by name, as JSON can hold it.
        makers: of the stages, by name.

    Raises:
        OutputError: the folder cannot be written to.
    """
    done: list[Stage] = []
    for name, make in makers.items():
        before = done[-1].digest if done else checkpoint
        done.append(stage(folder, name, {"before": before, **settings[name]}, make))
    return done
