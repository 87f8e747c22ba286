"""Files that teach: a language model (GGUF) or an encoder (ONNX)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from training.errors import TeacherError
from training.teacher.llama import LlamaTeacher
from training.teacher.qualification import require
from training.teacher.question import Question
from training.teacher.teacher import StateText
from training.teacher.word_teacher import WordTeacher

SUFFIXES: Final = (".gguf", ".onnx")
_DATA: Final = Path(__file__).parent / "data"
SHIPPED: Final = {"lm": _DATA / "teacher.gguf", "encoder": _DATA / "encoder.onnx"}
"""By name, the models that come with the product; docs/teacher.md says how they were made."""


def open_model(
    path: Path, ask: Callable[[StateText, int], Question], *, threads: int = 1
) -> WordTeacher[Any]:
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


def guide_named(
    name: str, ask: Callable[[StateText, int], Question], *, unqualified: bool = False
) -> WordTeacher[Any] | None:
    """The teacher that a shipped model's name, or a file's, stands for; none if it is neither.

    Args:
        name: of one of `SHIPPED`, or a path with one of `SUFFIXES`.
        ask: the question about a state, with so many of its lines shortened.
        unqualified: take a model that failed its examination, or was never examined.

    Raises:
        TeacherError: the file cannot be used, or may not guide.
    """
    if name not in SHIPPED and not name.endswith(SUFFIXES):
        return None
    path = SHIPPED.get(name) or Path(name)
    if not unqualified:
        require(path)
    return open_model(path, ask)
