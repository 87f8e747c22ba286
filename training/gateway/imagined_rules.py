"""Rules in force, which recordings do not have: no verdict was ever given in them.

A flow is as malicious as it is, whatever the firewall already does about its host. A network that
has never seen a rule does not know that: what it makes of one is left over from where its weights
began. So rules are imagined wherever it learns from recordings, as alerts are.
"""

from __future__ import annotations

import math
from typing import Final

import torch

from agent.decision import Verdict
from agent.observation import LOG_SCALE, NAMES

COLUMNS: Final = [NAMES.index(f"in_force_{of}") for of in ("src", "flow", "time")]
"""Of an observation."""

_ANY: Final = 0.3  # of observations are made to have rules,
_EACH: Final = 0.7  # and of these so many one about the initiator, and so many one about the flow
_LONGEST_S: Final = 86_400.0  # the last of the guard's times


def imagined(count: int, generator: torch.Generator) -> torch.Tensor:
    """The three features, ``(n, 3)``, as the agent scales them."""
    device = generator.device

    def uniform() -> torch.Tensor:
        return torch.rand(count, generator=generator, device=device)

    def verdict() -> torch.Tensor:
        return (1 + (uniform() * Verdict.ISOLATE).floor()) / Verdict.ISOLATE * (uniform() < _EACH)

    on_host, on_flow = verdict(), verdict()
    time = uniform() * math.log1p(_LONGEST_S) / LOG_SCALE * (on_flow > 0)
    return torch.stack([on_host, on_flow, time], dim=1) * (uniform() < _ANY)[:, None]


def with_rules(obs: torch.Tensor, seed: int) -> torch.Tensor:
    """A copy of observations ``(n, F)`` in which rules are in force, by a seed."""
    generator = torch.Generator(obs.device).manual_seed(seed)
    seen = obs.clone()
    seen[:, COLUMNS] = imagined(len(obs), generator)
    return seen
