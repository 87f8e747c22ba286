"""A teacher that follows the passages to the letter, without any model.

What it says is what a language model that has read the passages should say: the target of its
fine-tuning, and the measure of its reading.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training.teacher.playbook.rule import Rule, Subjects, prescribe
from training.teacher.teacher import StateText


def subjects(lines: Sequence[str]) -> Subjects:
    """What lines say: label and words of each.

    Args:
        lines: of a :class:`StateText`.
    """
    split = [line.split() for line in lines]
    return {label: frozenset(words) for label, *words in split}


class PassageTeacher:
    """The `Teacher` that does what rules prescribe.

    The first action is the one that changes nothing. An action's label is a kind, and a subject's
    label if it concerns one.

    Args:
        rules: of all passages.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, actions)`` float32, rows sum to 1; what no action can do is left out."""
        rows = []
        for state in states:
            advice = prescribe(self.rules, subjects(state.lines), state.actions[0])
            mass = dict.fromkeys(state.actions, 0.0)
            for (kind, label), share in advice.items():
                action = f"{kind} {label}" if f"{kind} {label}" in mass else kind
                if action in mass:
                    mass[action] += share
            rows.append(torch.tensor(list(mass.values())))
        table = torch.stack(rows)
        return table / table.sum(1, keepdim=True)
