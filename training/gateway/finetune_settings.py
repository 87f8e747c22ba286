"""How a policy learns from its operation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from training.settings import Fraction, Positive, Schedule


class Finetuning(BaseModel):
    """What `training.gateway.finetune` can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0, description="of what is held out, and of all chance")
    updates: Positive = Field(1000, description="steps down the gradient")
    batch: Positive = Field(
        256, description="decision points of the journal in an update, and of the corpora"
    )
    replay: Fraction = Field(
        0.5, description="share of the corpora in what is learned; the rest is the journal's"
    )
    drift: float = Field(
        100.0,
        ge=0,
        description="points that it costs to decide otherwise on the corpora than before, a nat of"
        " Kullback-Leibler divergence",
    )
    learning_rate: float = Field(1e-3, gt=0, description="of Adam, at the start")
    schedule: Schedule = Field("linear", description="how the learning rate goes to zero")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this length")
    held_out: float = Field(
        0.25, gt=0, lt=1, description="share of the journal's flows that only tell if it learned"
    )
    tolerance: Fraction = Field(
        0.005,
        description="how much less of what the corpora have at stake a policy may earn than before",
    )
