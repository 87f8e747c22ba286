"""Examine a model's file as a teacher of all playgrounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import torch

from training.provenance import commit, machine, sha256
from training.teacher.cases import Case
from training.teacher.impartial import Impartial
from training.teacher.models import open_model
from training.teacher.playgrounds import WORTH
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
    """What an examination finds of a model, asked as it is when it guides.

    Args:
        model: its file.
        cases: states to ask about.
        threads: of a language model.
        seed: of changed passages and permutations.
        advance: called after each answer.

    Raises:
        TeacherError: the file cannot be used.
    """
    asking = Asking()
    with closing(open_model(model, asking, threads=threads)) as teacher:
        result = examine(Impartial(teacher, WORTH), asking, cases, seed=seed, advance=advance)
        return Certificate(
            sha256=sha256(model),
            parameters=teacher.parameters,
            bytes=model.stat().st_size,
            commit=commit(),
            machine=machine(torch.device("cpu")),
            result=result,
        )
