"""The language model that taught, for boxes that carry it: its file, and its certificate."""

from __future__ import annotations

from pathlib import Path

from agent.bundle import TEACHER_GGUF, TEACHER_REPORT
from training.errors import TeacherError
from training.teacher.models import SHIPPED
from training.teacher.qualification import place_of, require


def teacher_files(model: Path = SHIPPED["lm"]) -> dict[str, bytes]:
    """Contents by their names in a bundle.

    Args:
        model: a GGUF.

    Raises:
        TeacherError: it is no GGUF, was never examined, failed, or was changed since.
    """
    if model.suffix != ".gguf":
        raise TeacherError(f"{model}: boxes run GGUF only")
    require(model)
    return {TEACHER_GGUF: model.read_bytes(), TEACHER_REPORT: place_of(model).read_bytes()}
