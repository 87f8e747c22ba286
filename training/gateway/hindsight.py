"""Hindsight as a guide: what an analyst says who knows how it ended.

In the lab every flow's label is known, as it is after an incident has been looked into. PPO alone
seldom finds rare attacks: a policy that has learned to allow hardly ever tries anything else on
them. This guide shows it for a while what would have been right, knowing more than the policy sees
(learning by cheating: Chen et al. 2019, arXiv 1912.12294). What is learned is how likely each
verdict is right given an observation; PPO makes of it what pays.
"""

from __future__ import annotations

from typing import Final, cast

import torch

from agent.observation import NAMES
from training.env import VectorEnv
from training.gateway.env import Gateway
from training.gateway.tape import Tape
from training.guidance import Guide
from training.memory import Memory
from training.settings import Guidance

HINDSIGHT: Final = "hindsight"  # its name among teachers
_LOCAL: Final = NAMES.index("initiator_local")
_MOSTLY: Final = 0.5  # of a local host's flows are malicious: then it is cut off
_RIGHT: Final = (
    (1.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 0.0, 1.0),
)


class Hindsight(Guide):
    """Advice by labels: legitimate flows are allowed, malicious ones blocked.

    A local host most of whose flows are malicious is isolated.

    Args:
        tape: what is played.
        settings: how it is listened to.
    """

    def __init__(self, tape: Tape, settings: Guidance) -> None:
        super().__init__(settings)
        self._right = right(tape)
        self._known = tape.malicious | tape.benign

    def advise(
        self, env: VectorEnv, memory: Memory, state: torch.Tensor, log_probs: torch.Tensor
    ) -> torch.Tensor:
        """What was right, ``(n, 4)``; of unknown flows, what the policy says itself."""
        playground = cast(Gateway, env)
        flow = playground.tape.flow[playground.at[: len(log_probs)]]
        return torch.where(self._known[flow][:, None], self._right[flow], log_probs.exp())


def right(tape: Tape) -> torch.Tensor:
    """The right verdict on each flow, one-hot ``(M, 4)``."""
    first = tape.before < 0
    local = torch.zeros_like(tape.malicious)
    local[tape.flow[first]] = tape.obs[first, _LOCAL] > 0
    cut_off = tape.malicious & local & (_guilt(tape) >= _MOSTLY)
    return torch.tensor(_RIGHT, device=tape.obs.device)[tape.malicious.long() + cut_off]


def _guilt(tape: Tape) -> torch.Tensor:
    """Share of its initiator's flows that are malicious, for each flow ``(M,)``."""
    flows = torch.arange(len(tape.malicious), device=tape.obs.device)
    recording = torch.searchsorted(tape.first_flow, flows, right=True) - 1
    host = recording * tape.num_hosts + tape.hosts[:, 0]
    size = len(tape) * tape.num_hosts
    malicious = torch.bincount(host, tape.malicious.float(), size)
    return (malicious / torch.bincount(host, minlength=size).clamp(min=1))[host]
