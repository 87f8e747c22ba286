"""What a policy earns on whole recordings, by component and as a share of what is at stake."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from agent.engine import Judge
from training.gateway.policy import guarded
from training.gateway.recording import Recording
from training.gateway.rewards import COMPONENTS, Rewards
from training.gateway.score import Chooses, score


@dataclass(frozen=True, slots=True)
class Earned:
    """On R recordings.

    Attributes:
        components: points by component of the reward, of all recordings together.
        share: points over what is at stake, the mean over recordings; a run of training picks its
            network by the same measure.
        harm: share of the legitimate flows that was stopped; not a number where there is none, or
            where stopping one costs nothing.
    """

    components: Mapping[str, float]
    share: float
    harm: float

    @property
    def points(self) -> float:
        """Of all components and recordings together."""
        return sum(self.components.values())


def earned(recordings: Sequence[Recording], chooses: Chooses, rewards: Rewards) -> Earned:
    """Play recordings, at least one, from end to end."""
    totals = score(recordings, chooses, rewards)
    points = torch.stack([totals[name] for name in COMPONENTS]).sum(0)
    stakes = torch.tensor([stakes_of(each, rewards) for each in recordings])
    components = {name: float(totals[name].sum()) for name in COMPONENTS}
    at_risk = rewards.stop_legitimate * sum(int((each.label == 0).sum()) for each in recordings)
    return Earned(
        components,
        share=float((points / stakes).mean()),
        harm=components["stop_legitimate"] / at_risk if at_risk else math.nan,
    )


def stakes_of(recording: Recording, rewards: Rewards) -> float:
    """What stopping everything malicious earns and stopping everything else costs."""
    gain = rewards.stop_malicious * (recording.label == 1).sum()
    return max(1.0, float(gain - rewards.stop_legitimate * (recording.label == 0).sum()))


def chooser(judge: Judge) -> Chooses:
    """Actions of what gives logits, as far as a guard lets them through."""
    return lambda obs: guarded(judge.logits(obs.numpy()))
