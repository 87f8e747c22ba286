"""Hindsight: a policy first learns what would have been right at recorded decision points.

In the lab every flow's label is known, as it is after an incident has been looked into. PPO alone
seldom finds rare attacks: a policy that has learned to allow hardly ever tries anything else on
them. So before anything is played, the actor learns from those who know more than it sees (learning
by cheating: Chen et al. 2019, arXiv 1912.12294) how likely each verdict is right given an
observation. PPO makes of it what pays; since to PPO all that is surely malicious is alike, part of
the loss stays with hindsight, and what is surer stays surer.

What one network makes of labels is much its seed's: two that are equally right about what they
have seen differ in what they have not. So several learn them, each for itself, and the policy
learns the mean of their logits (deep ensembles: Lakshminarayanan et al. 2017, arXiv 1612.01474;
distilled as by Hinton et al. 2015, arXiv 1503.02531). Recordings have no alerts; what these add is
known, and is added to the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch.nn.functional import cross_entropy

from agent.decision import Verdict
from training.gateway import imagined_alerts
from training.gateway.points import Points
from training.gateway.policy import Logits
from training.gateway.settings import Rehearsal
from training.gateway.tape import Tape
from training.networks import ActorCritic
from training.optimise import adam, descend, remaining, set_rate

# Softer than labels: how sure the members are matters far beyond the point where all agree.
_TEMPERATURE: Final = 3.0


class Hindsight:
    """What was right at recorded points.

    Args:
        tape: of the recordings to learn from.
        noise: deviation that is added to logarithms in observations.
        generator: the source of chance, on the tape's device.
        members: networks that learn labels.
    """

    def __init__(
        self,
        tape: Tape,
        noise: float,
        generator: torch.Generator,
        members: Sequence[ActorCritic],
    ) -> None:
        self._generator, self.members = generator, members
        self._points = Points(tape, noise, generator)
        # Never to isolate: one host that is taken for a scanner costs all that it does. Whether
        # that pays, PPO has to find out.
        self._right = torch.where(tape.malicious, Verdict.BLOCK, Verdict.ALLOW)

    def rehearse(self, network: ActorCritic, settings: Rehearsal) -> None:
        """Let the members learn labels, and a policy their mean."""
        for member in self.members:
            _learn(member, self.blame, settings)
        _learn(network, self.loss, settings)

    def blame(self, network: ActorCritic, count: int) -> torch.Tensor:
        """Cross-entropy of a network and labels, nats, at so many points."""
        obs, flow = self._points.draw(count)
        return cross_entropy(Logits(network)(obs), self._right[flow])

    def loss(self, network: ActorCritic, count: int) -> torch.Tensor:
        """Cross-entropy of a policy and the members' mean, nats, at so many points."""
        obs, _ = self._points.draw(count)
        weights = imagined_alerts.imagined(count, self._generator)
        with torch.no_grad():
            wanted = torch.stack([Logits(member)(obs) for member in self.members]).mean(0)
            wanted[:, Verdict.BLOCK] += imagined_alerts.evidence(weights)
        obs[:, imagined_alerts.COLUMNS] = imagined_alerts.observed(weights)
        soft = (wanted / _TEMPERATURE).softmax(1)
        return cross_entropy(Logits(network)(obs) / _TEMPERATURE, soft) * _TEMPERATURE**2

    def state_dict(self) -> dict[str, Any]:
        """What the members have learned."""
        return {"members": [member.state_dict() for member in self.members]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Know what another knew."""
        for member, weights in zip(self.members, saved["members"], strict=True):
            member.load_state_dict(weights)


def _learn(
    network: ActorCritic, loss: Callable[[ActorCritic, int], torch.Tensor], settings: Rehearsal
) -> None:
    """Go down a loss's gradient at a rate that falls to nothing."""
    optimizer = adam(network, settings.rehearsal_rate)
    for update in range(settings.rehearsal):
        left = remaining("linear", update / settings.rehearsal)
        set_rate(optimizer, settings.rehearsal_rate * left)
        descend(loss(network, settings.rehearsal_batch), optimizer, max_grad_norm=1.0)
