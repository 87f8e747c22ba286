"""Likeness: how far what is exported decides as what was trained, and earns as much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.decision import Verdict
from agent.engine import Judge
from training.gateway.earned import chooser, earned
from training.gateway.policy import guarded
from training.gateway.recording import Recording
from training.gateway.rewards import Rewards


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two policies on the same decision points.

    Attributes:
        points: how many there are.
        share: of them, where the verdicts are the same after the guard's floors.
        acting: those where the first policy does anything but allow.
        share_acting: of these, where the verdicts are the same; all where there is none.
        largest_difference: between two logits.
    """

    points: int
    share: float
    acting: int
    share_acting: float
    largest_difference: float

    @classmethod
    def of(cls, wanted: NDArray[np.float32], found: NDArray[np.float32]) -> Agreement:
        """Compare logits ``(N, 4)`` of at least one decision point."""
        verdicts = verdicts_of(wanted)
        same = verdicts == verdicts_of(found)
        acting = same[verdicts != Verdict.ALLOW]
        return cls(
            points=len(same),
            share=float(same.mean()),
            acting=len(acting),
            share_acting=float(acting.mean()) if len(acting) else 1.0,
            largest_difference=float(np.abs(wanted - found).max()),
        )


def points_lost(wanted: float, found: float) -> float:
    """The share of points that is lost; not a number where there are none to lose."""
    return (wanted - found) / abs(wanted) if wanted else math.nan


def disagreements(found: Sequence[NDArray[np.float32]]) -> tuple[int, int]:
    """Decision points where verdicts are not all the same, and logits whose bits are not.

    Args:
        found: logits ``(N, 4)`` of the same decision points, by each of at least one runner.
    """
    verdicts = np.stack([verdicts_of(logits) for logits in found])
    bits = np.stack([logits.view(np.uint32) for logits in found])
    return _not_alike(verdicts), _not_alike(bits)


@dataclass(frozen=True, slots=True)
class Reference:
    """A trained policy on recordings, which exported ones are held to.

    Attributes:
        recordings: each with a decision point at least.
        logits: ``(N, 4)`` of all their decision points.
        points: that it earns there, by the default table.
    """

    recordings: Sequence[Recording]
    logits: NDArray[np.float32]
    points: float

    @classmethod
    def of(cls, trained: Judge, recordings: Sequence[Recording]) -> Reference:
        """Ask and play the trained policy once."""
        return cls(recordings, logits_of(trained, recordings), points_of(trained, recordings))

    def agreement(self, exported: Judge) -> Agreement:
        """With what an exported policy decides."""
        return Agreement.of(self.logits, logits_of(exported, self.recordings))

    def reward_loss(self, exported: Judge) -> float:
        """The share of points that an exported policy loses; not a number where there are none."""
        return points_lost(self.points, points_of(exported, self.recordings))


def points_of(judge: Judge, recordings: Sequence[Recording]) -> float:
    """What is earned by the default table."""
    return earned(recordings, chooser(judge), Rewards()).points


def verdicts_of(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """What is proposed ``(N,)`` by logits ``(N, 4)``, as far as the guard's floors allow."""
    return guarded(logits).numpy()


def logits_of(judge: Judge, recordings: Sequence[Recording]) -> NDArray[np.float32]:
    """``(N, 4)`` of all decision points, recording by recording, nothing being in force."""
    return np.concatenate([judge.logits(each.observations) for each in recordings])


def _not_alike(values: NDArray[np.generic]) -> int:
    """Places where rows of ``(runners, …)`` differ."""
    return int((values != values[0]).any(axis=0).sum())
