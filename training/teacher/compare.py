"""How far two models' advice is apart, on the states of the examination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.teacher.cases import Case
from training.teacher.impartial import Impartial
from training.teacher.models import open_model
from training.teacher.playgrounds import WORTH
from training.teacher.qualify import Asking, Room, divergence


@dataclass(frozen=True)
class Difference:
    """What a model's advice loses against another's.

    Attributes:
        cases: states that both were asked about.
        kl: mean divergence of the model's distributions from the other's, in nats.
        kl_p99: 99th percentile of the divergences.
        tv: mean total variation.
        agreement: share of the states in which the likeliest action is the same.
    """

    cases: int
    kl: float
    kl_p99: float
    tv: float
    agreement: float


def compare(
    model: Path,
    other: Path,
    cases: Sequence[Case],
    *,
    threads: int = 1,
    advance: Callable[[], object] = lambda: None,
) -> Difference:
    """Ask two models about the same states.

    Args:
        model: a file, a quantised one say.
        other: what it is measured by, the whole one say.
        cases: states to ask about, at least one.
        threads: of language models.
        advance: called after each answer.

    Raises:
        TeacherError: a file cannot be used.
    """
    rows = [_asked(path, cases, threads, advance) for path in (model, other)]
    pairs = list(zip(*rows, strict=True))
    kl = [divergence(wanted, answer) for answer, wanted in pairs]
    return Difference(
        cases=len(cases),
        kl=float(np.mean(kl)),
        kl_p99=float(np.percentile(kl, 99)),
        tv=float(np.mean([float((p - q).abs().sum()) / 2 for p, q in pairs])),
        agreement=float(np.mean([bool(p.argmax() == q.argmax()) for p, q in pairs])),
    )


def _asked(
    path: Path, cases: Sequence[Case], threads: int, advance: Callable[[], object]
) -> list[torch.Tensor]:
    asking = Asking()
    with closing(open_model(path, asking, threads=threads)) as teacher:
        return Room(Impartial(teacher, WORTH), asking, advance).ask(cases)
