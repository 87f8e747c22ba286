"""Files that teach: a language model (GGUF) or an encoder (ONNX)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from training.errors import TeacherError
from training.teacher.llama import LlamaTeacher
from training.teacher.question import Question
from training.teacher.teacher import StateText

if TYPE_CHECKING:
    from training.teacher.encoder.teacher import EncoderTeacher

SUFFIXES: Final = (".gguf", ".onnx")
SHIPPED: Final = Path(__file__).parent / "data" / "teacher.gguf"
"""The language model that comes with the product; docs/teacher.md says how it was made."""


def open_model(
    path: Path, ask: Callable[[StateText, int], Question], *, threads: int = 1
) -> LlamaTeacher | EncoderTeacher:
    """The teacher in a file.

    Args:
        path: of the file.
        ask: the question about a state, with so many of its lines shortened.
        threads: of a language model; an encoder has one.

    Raises:
        TeacherError: it is no such file, or cannot be used.
    """
    if path.suffix == ".gguf":
        return LlamaTeacher(path, ask, threads=threads)
    if path.suffix == ".onnx":
        try:
            from training.teacher.encoder.teacher import EncoderTeacher
        except ImportError as error:
            raise TeacherError(
                f"no encoders here ({error}): pip install 'sluicegate[lm]'"
            ) from error
        return EncoderTeacher(path, ask)
    raise TeacherError(f"{path}: name a language model (.gguf) or an encoder (.onnx)")
