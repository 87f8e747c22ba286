"""CAGE-2's actions as teachers of words know them: one kind for all decoys.

Which decoy to place is a matter of which fit and of what attackers like (`ATTRACTION`), as the
playbook has it; nothing in a state's words helps to choose. So a teacher is asked about "decoy
host3", and its answer is shared among the decoys that fit there. "monitor", which does what "sleep"
does, is never advised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import torch

from training.cage2.situation import ATTRACTION, layout_of
from training.teacher.question import labels
from training.teacher.teacher import StateText, Teacher

KINDS: Final = ("sleep", "analyse", "remove", "restore", "decoy")
"""Kinds of actions; all but the first are done to a host."""


_NOTHING: Final = 1e-6  # probability of all that can be done, from which on there is something


@dataclass(frozen=True)
class _Meaning:
    """What short actions mean in a scenario: those before the decoys, and ``K`` decoys on hosts."""

    labels: tuple[str, ...]
    plain: torch.Tensor  # actions of the labels that are no decoys
    facts: tuple[str, ...]  # names; 0 where the decoy could be placed
    action: torch.Tensor  # (K,)
    label: torch.Tensor  # (K,) its short action's number
    wanted: torch.Tensor  # (K,) how much more than others


@lru_cache(64)
def _meaning(actions: tuple[str, ...]) -> _Meaning:
    number = {action: index for index, action in enumerate(actions)}
    hosts = sorted(layout_of(actions).labels, key=lambda label: int(label.removeprefix("host")))
    short = labels(KINDS, hosts)
    plain = short[: -len(hosts)]
    decoys = [
        (f"{host}.{decoy}", number[action], len(plain) + i, pull**2)
        for i, host in enumerate(hosts)
        for decoy, pull in ATTRACTION.items()
        if (action := f"decoy {decoy.removeprefix('Decoy').lower()} {host}") in number
    ]
    facts, places, shorts, wanted = zip(*decoys, strict=True) if decoys else ((), (), (), ())
    return _Meaning(
        labels=short,
        plain=torch.tensor([number[label] for label in plain]),
        facts=facts,
        action=torch.tensor(places, dtype=torch.int64),
        label=torch.tensor(shorts, dtype=torch.int64),
        wanted=torch.tensor(wanted),
    )


def shorten(state: StateText) -> StateText:
    """The same state with the short actions: "sleep", then each kind host by host.

    Raises:
        PolicyError: its actions are not those of a CAGE-2 scenario.
    """
    return replace(state, actions=_meaning(state.actions).labels)


class ShortActionsTeacher:
    """A `Teacher` of all actions, by one that knows the short ones.

    Args:
        teacher: of states that were shortened.
    """

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, A)`` float32, rows sum to 1; all states of one scenario.

        Where no decoy fits, what was advised for one there goes to the other actions, and if there
        are none, to "sleep".
        """
        short = self.teacher.distribution([shorten(state) for state in states])
        meaning = _meaning(states[0].actions)
        free = [[state.facts.get(fact) == 0.0 for fact in meaning.facts] for state in states]
        wanted = torch.tensor(free) * meaning.wanted
        whole = torch.zeros_like(short).index_add_(1, meaning.label, wanted)
        decoys = short[:, meaning.label] * wanted / whole[:, meaning.label].clamp(min=1e-9)
        row = torch.zeros(len(states), len(states[0].actions))
        row[:, meaning.plain] = short[:, : len(meaning.plain)]
        row[:, meaning.action] = decoys
        row[row.sum(1) < _NOTHING, meaning.plain[0]] = 1.0
        return row / row.sum(1, keepdim=True)
