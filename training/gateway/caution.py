"""Caution: a policy's confidence, put on the scale of the guard's floors.

The table of rewards makes a policy stop whatever is malicious with more than one chance in four,
and what it learned makes it surer of itself than it should be elsewhere. Who runs a gateway bears
far less. So its logits are cooled and "allow" is raised until the guard's default floors lie where
validation's legitimate flows bear them: what is throttled at the one for throttling, what is
blocked at the one for blocking. The order of what is more suspicious stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agent.decision import Verdict
from training.gateway.earned import earned
from training.gateway.policy import FLOORS, Chooser
from training.gateway.recording import Recording
from training.gateway.rewards import Rewards
from training.gateway.score import Chooses
from training.gateway.settings import Limits
from training.networks import ActorCritic, FlatActorCritic

_STEP: Final = 1.0  # nats
_TRIES: Final = 8
_COOLEST: Final = 0.25  # heat: probabilities are to mean something still
_NEVER: Final = -1e3  # log-odds
_THROTTLES, _BLOCKS = (math.log(floor / (1 - floor)) for floor in FLOORS[:2])  # log-odds


@dataclass(frozen=True, slots=True)
class Caution:
    """What is done to logits: divided by ``heat``, then ``nats`` are added to that of "allow"."""

    heat: float
    nats: float

    def applied(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, 4)`` to ``(n, 4)``."""
        cooled = (logits / self.heat).astype(np.float32)
        cooled[:, Verdict.ALLOW] += self.nats
        return cooled

    @torch.no_grad()
    def instil(self, network: ActorCritic) -> None:
        """Make a network so cautious for good."""
        last = cast(nn.Linear, cast(FlatActorCritic, network).actor[-1])
        last.weight.div_(self.heat)
        last.bias.div_(self.heat)
        last.bias[Verdict.ALLOW] += self.nats


@dataclass(frozen=True, slots=True)
class Cost:
    """What a guarded policy does to the legitimate flows of some recordings.

    Attributes:
        stopped: share of them.
        slowed: share that is throttled for what it does itself, and not stopped.
    """

    stopped: float
    slowed: float

    def within(self, limits: Limits) -> bool:
        """Whether a gateway could bear it."""
        return self.stopped <= limits.besides and self.slowed <= limits.slowed


class Cautious(Chooser):
    """A network with caution."""

    def __init__(self, network: ActorCritic, caution: Caution) -> None:
        super().__init__(network)
        self._caution = caution

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, F)`` observations to ``(n, 4)`` logits."""
        return self._caution.applied(super().logits(observations))


def cautious(
    network: ActorCritic, corpora: Sequence[Sequence[Recording]], limits: Limits
) -> tuple[Caution, list[Cost]]:
    """The least caution that keeps every corpus within its limits, also when it is played.

    Thresholds are set by what the policy decides about legitimate flows themselves. What rules do
    to others besides is found out by playing; as long as that is too much, all are raised.

    Args:
        network: the policy; it is not changed.
        corpora: recordings.
        limits: of each corpus.

    Returns:
        The caution, and what it costs on each corpus; limits are exceeded if none is enough.
    """
    throttles, blocks = _thresholds(network, corpora, limits)
    for tries in range(_TRIES):
        more = tries * _STEP
        caution = _between(throttles + more, blocks + more)
        chooses = Cautious(network, caution)
        costs = [cost(recordings, chooses) for recordings in corpora]
        if all(each.within(limits) for each in costs):
            break
    return caution, costs


def outright(
    network: ActorCritic, corpora: Sequence[Sequence[Recording]], limits: Limits
) -> Caution:
    """The least caution that keeps decisions about legitimate flows within limits of each corpus.

    Args:
        network: the policy; it is not changed.
        corpora: recordings; those without a legitimate flow do not count.
        limits: of each corpus.
    """
    return _between(*_thresholds(network, corpora, limits))


def _thresholds(
    network: ActorCritic, corpora: Sequence[Sequence[Recording]], limits: Limits
) -> tuple[float, float]:
    """Log-odds above which to throttle and to block, so that every corpus bears it by far."""
    stops = limits.harm / limits.margin
    acts = min(1.0, stops + limits.slowed / limits.margin)
    odds = [_highest(network, each) for each in corpora]
    throttles = max(float(np.quantile(each[0], 1 - acts)) for each in odds)
    blocks = max(float(np.quantile(each[1], 1 - stops)) for each in odds)
    blocks = max(blocks, throttles + limits.apart)
    return throttles + limits.spare, blocks + limits.spare


def _between(throttles: float, blocks: float) -> Caution:
    """Caution that moves two thresholds, in nats, to the guard's floors."""
    heat = max(_COOLEST, (blocks - throttles) / (_BLOCKS - _THROTTLES))
    # Where it would be below that, the two lie closer than the floors: then blocking decides.
    nats = max(0.0, throttles / heat - _THROTTLES, blocks / heat - _BLOCKS)
    return Caution(heat if nats else max(1.0, heat), nats)  # nobody is made rash


def _highest(network: ActorCritic, recordings: Sequence[Recording]) -> NDArray[np.float64]:
    """The highest log-odds of each legitimate flow ``(2, n + 1)``; the first stands for nobody.

    Of a throttle or worse, and of a block or worse.
    """
    policy, highest = Chooser(network), [np.full((2, 1), _NEVER)]
    for each in recordings:
        logits = torch.from_numpy(policy.logits(each.observations))
        worst = np.full((2, len(each.label)), _NEVER)
        for row, verdict in zip(worst, (Verdict.THROTTLE, Verdict.BLOCK), strict=True):
            odds = logits[:, verdict:].logsumexp(1) - logits[:, :verdict].logsumexp(1)
            np.maximum.at(row, each.flow, odds.numpy())
        highest.append(worst[:, each.label == 0])
    return np.concatenate(highest, axis=1)


def cost(recordings: Sequence[Recording], chooses: Chooses) -> Cost:
    """Play recordings from end to end; without a legitimate flow it costs nothing."""
    flows = sum(int((each.label == 0).sum()) for each in recordings)
    if not flows:
        return Cost(0.0, 0.0)
    slowed = sum(_slowed(each, chooses) for each in recordings)
    return Cost(earned(recordings, chooses, Rewards()).harm, slowed / flows)


def _slowed(recording: Recording, chooses: Chooses) -> int:
    """Legitimate flows for which a throttle is the strongest verdict that is chosen."""
    worst = np.zeros(len(recording.label), np.int64)
    np.maximum.at(worst, recording.flow, chooses(torch.from_numpy(recording.observations)).numpy())
    return int(((worst == Verdict.THROTTLE) & (recording.label == 0)).sum())
