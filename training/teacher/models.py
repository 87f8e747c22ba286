"""Files that teach: a language model (GGUF) or an encoder (ONNX)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from training.errors import TeacherError
from training.teacher.encoder.teacher import EncoderTeacher
from training.teacher.llama import LlamaTeacher
from training.teacher.question import Question
from training.teacher.teacher import StateText

SUFFIXES: Final = (".gguf", ".onnx")


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
        return EncoderTeacher(path, ask)
    raise TeacherError(f"{path}: name a language model (.gguf) or an encoder (.onnx)")
