"""Hindsight: a policy first learns what would have been right at recorded decision points.

In the lab every flow's label is known, as it is after an incident has been looked into. PPO alone
seldom finds rare attacks: a policy that has learned to allow hardly ever tries anything else on
them. So before anything is played, the actor learns from one who knows more than it sees (learning
by cheating: Chen et al. 2019, arXiv 1912.12294) how likely each verdict is right given an
observation. PPO makes of it what pays; since to PPO all that is surely malicious is alike, part of
the loss stays with hindsight, and what is surer stays surer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from agent.decision import Verdict
from agent.observation import LOG_SCALE, NAMES
from training.gateway.noise import Noise
from training.gateway.policy import Logits
from training.gateway.recording import Recording
from training.gateway.settings import Rehearsal
from training.gateway.tape import Tape
from training.networks import ActorCritic
from training.optimise import adam, descend, remaining, set_rate

_ALERTS: Final = [NAMES.index("src_alerts"), NAMES.index("dst_alerts")]
_SEEN: Final = 0.7  # of malicious flows have been noticed before, where somebody looks
_ERRS: Final = 0.0005  # of others
_BESIDE: Final = 0.3  # of flows have somebody at one end who was noticed with somebody else
_HEAVIEST: Final = 20.0  # weight of the alerts on a host


class Hindsight:
    """What was right at recorded points.

    Half of the points that are drawn are malicious; within either half all points are alike, so
    that rare families count for no more than they are.

    Args:
        recordings: to learn from.
        tape: of them.
        noise: deviation that is added to logarithms in observations.
        generator: the source of chance, on the tape's device.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        tape: Tape,
        noise: float,
        generator: torch.Generator,
    ) -> None:
        self._tape, self._generator = tape, generator
        # Never to isolate: one host that is taken for a scanner costs all that it does. Whether
        # that pays, PPO has to find out.
        self._right = torch.where(tape.malicious, Verdict.BLOCK, Verdict.ALLOW)
        self._until = _until(recordings).to(tape.obs.device)
        self._noise = Noise(noise, generator)

    def loss(self, network: ActorCritic, count: int) -> torch.Tensor:
        """Cross-entropy of a policy and what was right, nats, at so many points."""
        chance, device = self._generator, self._until.device
        drawn = torch.rand(count, generator=chance, dtype=self._until.dtype, device=device)
        rows = torch.searchsorted(self._until, drawn).clamp(max=len(self._until) - 1)
        right = self._right[self._tape.flow[rows]]
        obs = self._noise(self._tape.obs[rows])
        obs[:, _ALERTS] = alerts(right > 0, chance)
        return cross_entropy(Logits(network)(obs), right)

    def rehearse(self, network: ActorCritic, settings: Rehearsal) -> None:
        """Learn it."""
        optimizer = adam(network, settings.rehearsal_rate)
        for update in range(settings.rehearsal):
            left = remaining("linear", update / settings.rehearsal)
            set_rate(optimizer, settings.rehearsal_rate * left)
            descend(self.loss(network, settings.rehearsal_batch), optimizer, max_grad_norm=1.0)


def alerts(malicious: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Made-up alerts on initiators and responders, as observed ``(n, 2)``: recordings have none.

    In front of one gateway in three there is an intrusion detection system. Those between whom it
    raises an alert have it both, and other flows of theirs have it at one end.

    Args:
        malicious: ``(n,)`` bool, of flows.
        generator: the source of chance.
    """
    device, count = malicious.device, len(malicious)

    def happens(chance: float, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, device=device) < chance

    seen = torch.where(malicious, happens(_SEEN, count), happens(_ERRS, count))
    beside = happens(_BESIDE, count, 2) & happens(1 / 2, count, 2)
    heard = (seen[:, None] | (beside & ~beside.all(1, keepdim=True))) & happens(1 / 3, count, 1)
    weight = torch.rand(count, 2, generator=generator, device=device) * _HEAVIEST
    return torch.where(heard, (1 + weight).log1p() / LOG_SCALE, 0.0)


def _until(recordings: Sequence[Recording]) -> torch.Tensor:
    """Cumulated chances ``(P,)`` of all points."""
    label = np.concatenate([each.label[each.flow] for each in recordings])
    chances = np.zeros(len(label))
    for malicious in (0, 1):
        side = label == malicious
        chances[side] = 1 / max(1, side.sum())
    return torch.from_numpy((chances / (chances.sum() or 1)).cumsum())
