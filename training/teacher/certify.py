"""Examine a GGUF file as a teacher of all playgrounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from training.provenance import commit, machine, sha256
from training.teacher.cases import Case
from training.teacher.llama import LlamaTeacher
from training.teacher.qualification import Certificate
from training.teacher.qualify import Asking, examine


def certify(
    model: Path,
    cases: Sequence[Case],
    *,
    threads: int = 1,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Certificate:
    """What an examination finds of a GGUF file.

    Args:
        model: the file.
        cases: states to ask about.
        threads: of llama.cpp.
        seed: of changed passages and permutations.
        advance: called after each answer.

    Raises:
        TeacherError: the file cannot be used.
    """
    asking = Asking()
    with LlamaTeacher(model, asking, threads=threads) as teacher:
        result = examine(teacher, asking, cases, seed=seed, advance=advance)
        return Certificate(
            sha256=sha256(model),
            parameters=teacher.parameters,
            bytes=model.stat().st_size,
            commit=commit(),
            machine=machine(torch.device("cpu")),
            result=result,
        )
