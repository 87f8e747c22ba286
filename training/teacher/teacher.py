"""The contract of every teacher, and the state that it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True, slots=True)
class StateText:
    """One state of a playground, structured and without names or addresses.

    Attributes:
        facts: numbers by name, in the units that the playground documents.
        lines: the same in words, most important first.
        actions: labels of the actions, in the order of the policy's outputs.
    """

    facts: Mapping[str, float]
    lines: tuple[str, ...]
    actions: tuple[str, ...]


class Teacher(Protocol):
    """Anything that can say how good each action looks."""

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, actions)`` float32, rows sum to 1."""


class Examinee(Teacher, Protocol):
    """A teacher that can be examined: it is asked in words."""

    def forget(self) -> None:
        """Keep nothing of what was asked and answered."""
