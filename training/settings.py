"""What a training run can be told; the descriptions are the command line's help."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Of PPO."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0, description="of the network's weights and of all chance")
    num_envs: Positive = Field(128, description="environments in the batch")
    rollout: Positive = Field(100, description="steps of each environment between updates")
    steps: Positive = Field(1_000_000, description="environment steps after which training ends")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam, at the start")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "linear", description="how the learning rate goes to zero"
    )
    gamma: Fraction = Field(0.99, description="discount of rewards")
    gae_lambda: Fraction = Field(0.95, description="of generalised advantage estimation")
    clip: float = Field(0.2, gt=0, description="how far the ratio of probabilities counts")
    value_clip: float | None = Field(
        None, gt=0, description="how far a value may move in an update; any way if left out"
    )
    value_weight: float = Field(0.5, ge=0, description="weight of the critic's loss")
    entropy: float = Field(0.01, ge=0, description="weight of the entropy bonus, at the start")
    entropy_end: float = Field(0.001, ge=0, description="and at the end, linearly")
    epochs: Positive = Field(4, description="passes over each rollout")
    minibatches: Positive = Field(4, description="parts of each pass")
    max_grad_norm: float = Field(0.5, gt=0, description="gradients are clipped to this length")
    target_kl: float | None = Field(
        0.03, gt=0, description="passes stop when the policy has moved this far, nats"
    )
    reward_scale: float = Field(0.1, gt=0, description="rewards are learned from times this")
    limit_is_end: bool = Field(
        True, description="nothing is worth anything after an episode's step limit"
    )


class Ending(BaseModel):
    """When a run stops before its step limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = Field(
        0,
        ge=0,
        description="stop when the mean return of so many rollouts has levelled off; 0: never",
    )
    tolerance: float = Field(
        0.01,
        ge=0,
        description="levelled off: better than the window before by less than this share",
    )
