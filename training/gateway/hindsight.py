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

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from agent.decision import Verdict
from agent.observation import TRANSFORMS, Transform
from training.gateway.policy import Logits
from training.gateway.recording import Recording
from training.gateway.settings import Rehearsal
from training.gateway.tape import Tape
from training.networks import ActorCritic
from training.optimise import adam, descend, remaining, set_rate


class Hindsight:
    """What was right at recorded points.

    Half of the points that are drawn are malicious; within either half all points are alike. That
    rare families count for no more than they are seems to matter: what cannot be told apart is
    learned by heart otherwise, at the expense of whoever is like it.

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
        graded = torch.from_numpy(TRANSFORMS != Transform.IDENTITY).to(tape.obs.device)
        self._noise = noise * graded

    def loss(self, network: ActorCritic, count: int) -> torch.Tensor:
        """Cross-entropy of a policy and what was right, nats, at so many points."""
        chance, device = self._generator, self._until.device
        drawn = torch.rand(count, generator=chance, dtype=self._until.dtype, device=device)
        rows = torch.searchsorted(self._until, drawn).clamp(max=len(self._until) - 1)
        obs = self._tape.obs[rows]
        error = torch.randn(obs.shape, generator=chance, device=device)
        obs = obs + self._noise * error * (obs != 0)
        return cross_entropy(Logits(network)(obs), self._right[self._tape.flow[rows]])

    def rehearse(self, network: ActorCritic, settings: Rehearsal) -> None:
        """Learn it."""
        optimizer = adam(network, settings.rehearsal_rate)
        for update in range(settings.rehearsal):
            left = remaining("linear", update / settings.rehearsal)
            set_rate(optimizer, settings.rehearsal_rate * left)
            descend(self.loss(network, settings.rehearsal_batch), optimizer, max_grad_norm=1.0)


def _until(recordings: Sequence[Recording]) -> torch.Tensor:
    """Cumulated chances ``(P,)`` of all points."""
    label = np.concatenate([each.label[each.flow] for each in recordings])
    chances = np.zeros(len(label))
    for malicious in (0, 1):
        side = label == malicious
        chances[side] = 1 / max(1, side.sum())
    return torch.from_numpy((chances / (chances.sum() or 1)).cumsum())
