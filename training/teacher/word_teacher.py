"""What all teachers have in common that are asked in words, whatever reads the question."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from training.teacher.answer_cache import Latest
from training.teacher.fitting import fitting
from training.teacher.question import Question
from training.teacher.teacher import StateText

T = TypeVar("T")


class WordTeacher(ABC, Generic[T]):
    """Asks a model about states, those that it was not asked about lately.

    Args:
        path: of the model's file, for messages.
        ask: the question about a state, with so many of its lines shortened; nothing but the
            state's lines and actions may change it.
        remembered: states whose answers are kept in memory.
    """

    def __init__(
        self, path: Path, ask: Callable[[StateText, int], Question], remembered: int
    ) -> None:
        self._path, self._ask = path, ask
        self._latest: Latest[torch.Tensor] = Latest(remembered)

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Weights of the model."""

    @property
    def hit_rate(self) -> float:
        """Share of the states that were answered from memory; 0 before the first."""
        return self._latest.found / max(1, self._latest.asked)

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, actions)`` float32, rows sum to 1.

        Args:
            states: at least one; all with as many actions.

        Raises:
            TeacherError: a question does not fit the model.
        """
        return torch.stack([self._row(state) for state in states])

    def forget(self) -> None:
        """Keep nothing of what was asked and answered."""
        self._latest.clear()

    @abstractmethod
    def close(self) -> None:
        """Free the model; the teacher cannot be asked any more."""

    def _row(self, state: StateText) -> torch.Tensor:
        key = state.lines, state.actions
        row = self._latest.get(key)
        if row is None:
            question, spelled = self._fitting(state)
            row = torch.from_numpy(self._answer(question, spelled))
            self._latest.put(key, row)
        return row

    def _fitting(self, state: StateText) -> tuple[Question, T]:
        """The question with as few lines shortened as it takes to fit the context.

        Raises:
            TeacherError: it does not fit even with all of them shortened.
        """

        def asked(shortened: int) -> tuple[tuple[Question, T], int]:
            question = self._ask(state, shortened)
            spelled, length = self._spelled(question)
            return (question, spelled), length

        return fitting(asked, len(state.lines), self._context, str(self._path))

    @property
    @abstractmethod
    def _context(self) -> int:
        """Tokens that there is room for.

        Raises:
            TeacherError: the model was freed.
        """

    @abstractmethod
    def _spelled(self, question: Question) -> tuple[T, int]:
        """A question as the model takes it, and the tokens that it takes."""

    @abstractmethod
    def _answer(self, question: Question, spelled: T) -> NDArray[np.float32]:
        """The model's answer ``(actions,)``."""
