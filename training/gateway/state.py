"""A gateway observation as the state that a teacher is shown.

A state has one line, the flow, in the language of the written playbook
(`training.teacher.playbook`): who opened it (``local`` or ``remote``), what service it asks for
(``login``, ``file``, ``mail``, ``web``, ``name``), and the signs that the rules of
`training.gateway.playbook` look for, each from the point on where its rule applies by half.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.decision import VERDICTS
from agent.observation import NAMES, raw_values
from training.gateway.playbook import PLAYBOOK, rule_weights
from training.teacher.prompt import Brief
from training.teacher.teacher import StateText

_SERVICES: Final = ("login", "file", "mail", "web", "name")
_SIGNS: Final = {
    "unanswered connections": "ignored",
    "beacon": "beaconing",
    "bulk upload to a new peer": "uploading",
    "flood": "flooding",
    "SYN flood": "swamping",
    "brute force": "guessing",
    "slow scan": "roaming",
    "host sweep": "sweeping",
    "port scan": "probing",
    "worm": "spreading",
    "known offender": "notorious",
}
"""The word for each rule's condition."""

BRIEF: Final = Brief(
    name="gateway",
    role="You guard a gateway.",
    objective="Stop harm and spare honest work.",
    subject="flow",
    words=frozenset({"local", "remote", *_SERVICES, *_SIGNS.values()}),
    worth=(),
    kinds=VERDICTS,
    on_hosts=False,
)


def state_of(observation: NDArray[np.float32]) -> StateText:
    """One observation ``(F,)`` as facts in the features' units, and in words."""
    raw = raw_values(observation[None, :])[0]
    facts = {name: float(value) for name, value in zip(NAMES, raw, strict=True)}
    return StateText(facts, (line_of(facts),), VERDICTS)


def line_of(facts: Mapping[str, float]) -> str:
    """The flow's line.

    Args:
        facts: all features in their units.
    """
    words = ["local" if facts["initiator_local"] else "remote"]
    words += [service for service in _SERVICES if facts[f"service_{service}"]]
    weights = rule_weights({name: np.array([value]) for name, value in facts.items()})[0]
    shown = zip(PLAYBOOK, weights.tolist(), strict=True)
    words += [_SIGNS[rule.name] for rule, weight in shown if weight >= 0.5]
    return " ".join(["flow", *words])
