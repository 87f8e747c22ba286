"""Policies that are one number at each decision point, and from where on it is too much.

The number is a `Signal`: how many logins have failed, or how likely the flow is malicious. It must
not depend on alerts, nor on rules in force. Then it is the same whatever the policy does, and is
worked out once for all thresholds that are tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from agent.decision import Verdict
from training.errors import CorpusError
from training.gateway.earned import Earned, earned
from training.gateway.recording import Recording
from training.gateway.rewards import Rewards

Signal: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Observations ``(n, F)`` to ``(n,)``: the more, the worse."""

_SHARES: Final = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # see `quantiles`
_SURE: Final = 1e3  # a logit; the guard's floors of confidence are no matter here


class Thresholds(NamedTuple):
    """From which signal on each verdict is due; ascending, and infinite for never."""

    throttle: float = math.inf
    block: float = math.inf
    isolate: float = math.inf

    def verdicts(self, signal: NDArray[np.float32]) -> NDArray[np.int64]:
        """``(n,)`` to ``(n,)`` of `Verdict`."""
        return np.searchsorted(np.array(self, np.float32), signal, side="right")


@dataclass(frozen=True, slots=True)
class Thresholded:
    """A signal with thresholds in the place of a policy."""

    signal: Signal
    thresholds: Thresholds

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, F)`` to ``(n, 4)``."""
        due = self.thresholds.verdicts(self.signal(observations))
        return np.float32(_SURE) * np.eye(len(Verdict), dtype=np.float32)[due]

    def earned(self, recordings: Sequence[Recording], rewards: Rewards) -> Earned:
        """What it earns on recordings that hold the signal, see `holding`."""
        return earned(
            recordings,
            lambda obs: torch.from_numpy(self.thresholds.verdicts(obs[:, 0].numpy())),
            rewards,
        )


def holding(signal: Signal, recordings: Sequence[Recording]) -> list[Recording]:
    """The recordings with the signal in the place of the first feature, and nothing else."""
    found = []
    for each in recordings:
        observations = np.zeros_like(each.observations)
        observations[:, 0] = signal(each.observations)
        found.append(replace(each, observations=observations))
    return found


def tune(
    signal: Signal,
    recordings: Sequence[Recording],
    rewards: Rewards,
    candidates: Sequence[float],
    *,
    verdicts: Sequence[Verdict] = (Verdict.BLOCK, Verdict.ISOLATE, Verdict.THROTTLE),
    most_harm: float | None = None,
) -> Thresholds:
    """The thresholds that earn the greatest share of what is at stake, one verdict after another.

    Args:
        signal: that they are for.
        recordings: to earn on.
        rewards: the table.
        candidates: thresholds to try for each verdict.
        verdicts: to tune, in this order; the others are never given.
        most_harm: share of legitimate flows that may be stopped; any if left out.

    Raises:
        CorpusError: there is a limit to harm, but the table does not tell harm.
    """
    if most_harm is not None and not rewards.stop_legitimate:
        raise CorpusError("to limit harm, let the rewards' stop_legitimate cost something")
    held = holding(signal, recordings)

    @cache
    def worth(thresholds: Thresholds) -> float:
        found = Thresholded(signal, thresholds).earned(held, rewards)
        return -math.inf if most_harm is not None and found.harm > most_harm else found.share

    best = Thresholds()
    for verdict in verdicts:
        # The mildest first: of what earns the same, it is kept.
        tried = (_moved(best, verdict, each) for each in sorted(candidates, reverse=True))
        best = max([best, *(each for each in tried if each is not None)], key=worth)
    return best


def _moved(thresholds: Thresholds, verdict: Verdict, value: float) -> Thresholds | None:
    """With one threshold at a value; None where that is on the other side of a neighbour."""
    throttle, block, isolate = thresholds
    match verdict:
        case Verdict.THROTTLE if value < block:
            return Thresholds(value, block, isolate)
        case Verdict.BLOCK if value <= isolate:
            return Thresholds(min(throttle, value), value, isolate)
        case Verdict.ISOLATE if value >= block:
            return Thresholds(throttle, block, value)
    return None


def quantiles(signal: Signal, recordings: Sequence[Recording]) -> list[float]:
    """Candidates that would stop some shares of the legitimate flows, if it were for them alone.

    Where no flow is legitimate, of all flows. A candidate lies midway between two flows, for a
    signal is rounded one way or another with how many are asked for at once.
    """
    flows = np.concatenate([_greatest(signal, each) for each in recordings])
    legitimate = np.concatenate([each.label for each in recordings]) == 0
    every = np.unique(flows)
    every = np.append(every[0] - 1, every)
    values = np.sort(flows[legitimate] if legitimate.any() else flows)
    stopped = np.floor(np.array(_SHARES) * len(values)).astype(int)
    below = np.append(every[0], values)[len(values) - stopped]
    above = np.searchsorted(every, below, side="right")
    below, above = below[above < len(every)], above[above < len(every)]
    return np.unique((below + every[above]) / 2).tolist()


def _greatest(signal: Signal, recording: Recording) -> NDArray[np.float32]:
    """Of each flow's decision points, ``(M,)``."""
    found = np.full(len(recording.label), -np.inf, np.float32)
    np.maximum.at(found, recording.flow, signal(recording.observations))
    return found
