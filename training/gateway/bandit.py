"""Single decisions as a contextual bandit of which every arm's reward is known.

The table of rewards is for playgrounds, in which time passes. Of a single decision,

- a stop earns what a stopped flow earns;
- to allow what is malicious does all its harm;
- a throttle lets half of the harm through, and adds 100 ms to what is legitimate: how much it would
  have held back is not known of a decision alone.

A flow counts once, however often it was decided about, and so does a recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from training.gateway.journal import Journal
from training.gateway.policy import Logits
from training.gateway.recording import Recording
from training.gateway.rewards import Rewards
from training.networks import ActorCritic

_HALF: Final = 0.5  # of a malicious flow's harm, that a throttle lets through


def worth_of(rewards: Rewards) -> torch.Tensor:
    """What each verdict earns on its own, ``(3, 4)``: legitimate, malicious, unknown."""
    latency = max(rewards.latency_per_100_ms, rewards.stop_legitimate)
    return torch.tensor(
        [
            [0.0, latency, rewards.stop_legitimate, rewards.stop_legitimate],
            [rewards.harm, _HALF * rewards.harm, rewards.stop_malicious, rewards.stop_malicious],
            [0.0, 0.0, 0.0, 0.0],
        ]
    )


class Points:
    """Decision points to draw from.

    Args:
        obs: ``(N, F)`` float32.
        label: ``(N,)`` malicious 1, legitimate 0, unknown -1.
        weight: ``(N,)``, in proportion to which a point is drawn.
        worth: of verdicts, see `worth_of`.
    """

    def __init__(
        self,
        obs: NDArray[np.float32],
        label: NDArray[np.int8],
        weight: NDArray[np.float64],
        worth: torch.Tensor,
    ) -> None:
        self.obs, self.label = torch.from_numpy(obs), torch.from_numpy(label).long()
        self._worth, self._until = worth, torch.from_numpy(weight.cumsum())

    @classmethod
    def of_journal(cls, journal: Journal, rows: NDArray[np.bool_], worth: torch.Tensor) -> Self:
        """The rows ``(N,)`` of a journal; each flow alike."""
        flow = journal.flow[rows]
        label = journal.malicious[flow].astype(np.int8)
        return cls(journal.observations[rows], label, _evenly(flow), worth)

    @classmethod
    def of_recordings(cls, recordings: Sequence[Recording], worth: torch.Tensor) -> Self:
        """All points of recordings; each recording alike, and each flow of it."""
        return cls(
            np.concatenate([each.observations for each in recordings]),
            np.concatenate([each.label[each.flow] for each in recordings]),
            np.concatenate([_evenly(each.flow) for each in recordings]),
            worth,
        )

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """So many, with replacement: observations ``(count, F)`` and worths ``(count, 4)``."""
        chance = torch.rand(count, generator=generator, dtype=torch.float64) * self._until[-1]
        rows = torch.searchsorted(self._until, chance, right=True).clamp(max=len(self.obs) - 1)
        return self.obs[rows], self._worth[self.label[rows]]

    @torch.no_grad()
    def earned(self, network: ActorCritic) -> float:
        """What a policy's likeliest verdicts earn at a point, the weighted mean.

        A box decides so, too. Were verdicts drawn, a policy that is less sure of everything would
        earn more wherever it is wrong, and nothing would be learned.
        """
        verdict = Logits(network)(self.obs).argmax(1)
        gained = self._worth[self.label, verdict]
        weight = self._until.diff(prepend=self._until.new_zeros(1))
        return float((gained * weight).sum() / self._until[-1])


def _evenly(flow: NDArray[np.int32]) -> NDArray[np.float64]:
    """Weights ``(N,)`` of points of flows: each flow has the same, and all of them together 1."""
    weight = 1 / np.bincount(flow)[flow]
    return np.asarray(weight / weight.sum())


def expected(logits: torch.Tensor, worth: torch.Tensor) -> torch.Tensor:
    """What a policy is expected to earn, ``(B,)``, from logits and worths ``(B, 4)``."""
    return (logits.softmax(1) * worth).sum(1)


def regret_bound(logits: torch.Tensor, worth: torch.Tensor) -> torch.Tensor:
    """What a policy is expected to lose against the best verdict, ``(B,)``, or more.

    Where a policy is sure and wrong, the gradient of what it is expected to earn is next to nothing
    (the "softmax gravity well" of Mei et al. 2020, Escaping the Gravitational Pull of Softmax).
    That of a logarithm is not. With verdicts from worst to best, what is lost is the sum of the
    steps up from each that is not exceeded, and ``1 - p <= -log p`` for the chance to exceed it.

    Args:
        logits: ``(B, 4)``.
        worth: ``(B, 4)``; where all are alike there is nothing to lose.
    """
    worth, order = worth.sort(1)
    chances = logits.log_softmax(1).gather(1, order)
    as_good_or_better = chances.flip(1).logcumsumexp(1).flip(1)
    return -(worth.diff(dim=1) * as_good_or_better[:, 1:]).sum(1)
