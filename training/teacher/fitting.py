"""Making a question fit a model's context."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import TypeVar

from training.errors import TeacherError

T = TypeVar("T")


def fitting(asked: Callable[[int], tuple[T, int]], lines: int, context: int, model: str) -> T:
    """The question with as few lines shortened as it takes to fit the context.

    Args:
        asked: the question with so many lines shortened, and the tokens that it takes.
        lines: of the state.
        context: tokens that there is room for.
        model: what to call it in messages.

    Raises:
        TeacherError: it does not fit even with all of them shortened.
    """
    whole, length = asked(0)
    if length <= context:
        return whole
    cuts = range(1, lines + 1)
    fits = bisect_left(cuts, 1, key=lambda cut: asked(cut)[1] <= context)
    if fits == len(cuts):
        raise TeacherError(
            f"{model}: a prompt and answer of {asked(lines)[1]} tokens do not fit a context of"
            f" {context}, however short: ask for more context"
        )
    return asked(cuts[fits])[0]
