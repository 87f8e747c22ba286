"""Asking so that neither a host's label nor its place in a list can change the advice.

A language model reads from first to last, and what it makes of a host depends a little on where the
host stands and which number it has. So a state is always told in the same way: lines sorted by
worth and then by words, and labels given out in that order. Hosts of which the same is said get
equal shares. States that differ only by who is who are one state to the model, and to its cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import torch

from training.teacher.teacher import Examinee, StateText

_TOLD: Final = 10_000  # states whose way to be told is kept


@dataclass(frozen=True, slots=True)
class _Told:
    """A state as it is told.

    Attributes:
        state: with sorted lines under new labels; its actions are the old ones.
        alike: ``(actions,)`` int64, the number of each old action's group of equal ones.
        told: ``(actions,)`` int64, the same of each action as it is told, so that sums do not
            depend on the old order, not even in their last bit.
        size: ``(groups,)`` float32, actions of each.
    """

    state: StateText
    alike: torch.Tensor
    told: torch.Tensor
    size: torch.Tensor


class Impartial:
    """The `Teacher` that another one is if it is asked impartially.

    Every kind of action that is done to hosts must be possible on all of them.

    Args:
        teacher: of words; it is shown no facts.
        worth: words of hosts' importance, most important first.
    """

    def __init__(self, teacher: Examinee, worth: Sequence[str]) -> None:
        self.teacher = teacher
        self._rank = {word: rank for rank, word in enumerate(worth)}
        self._told = lru_cache(_TOLD)(self._tell)

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, actions)`` float32, rows sum to 1."""
        told = [self._told(state.lines, state.actions) for state in states]
        answers = self.teacher.distribution([each.state for each in told])
        rows = []
        for each, answer in zip(told, answers, strict=True):
            shares = torch.zeros_like(each.size).index_add(0, each.told, answer)
            rows.append((shares / each.size)[each.alike])
        return torch.stack(rows)

    def forget(self) -> None:
        """Keep nothing of what was asked and answered."""
        self._told.cache_clear()
        self.teacher.forget()

    def _tell(self, lines: tuple[str, ...], actions: tuple[str, ...]) -> _Told:
        labels, _, said = zip(*(line.partition(" ") for line in lines), strict=True)
        order = sorted(range(len(lines)), key=lambda i: self._importance(said[i]))
        # Labels stay the same ones, in the order of their numbers; a host gets its place's.
        free = sorted(labels, key=lambda label: (len(label), label))
        called = {labels[i]: free[place] for place, i in enumerate(order)}
        told = tuple(" ".join([called[labels[i]], *filter(None, [said[i]])]) for i in order)
        words = dict(zip(labels, said, strict=True))
        number = {action: i for i, action in enumerate(actions)}
        meant, alike = [], []
        groups: dict[tuple[str, str], int] = {}
        for action in actions:
            kind, _, host = action.rpartition(" ")
            meant.append(number[f"{kind} {called[host]}" if host in called else action])
            alike.append(groups.setdefault((kind, words.get(host, host)), len(groups)))
        group = torch.tensor(alike)
        said_of = torch.empty_like(group)
        said_of[torch.tensor(meant)] = group
        return _Told(StateText({}, told, actions), group, said_of, group.bincount().float())

    def _importance(self, said: str) -> tuple[list[int], str]:
        words = said.split()
        ranks = sorted(self._rank[word] for word in words if word in self._rank)
        return ranks or [len(self._rank)], said
