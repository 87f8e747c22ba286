"""What a training run can be told; the descriptions are the command line's help."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


def _have_width(hidden: list[int]) -> list[int]:
    if any(width < 1 for width in hidden):
        raise ValueError("a layer's width is at least 1")
    return hidden


Widths = Annotated[list[int], AfterValidator(_have_width)]
Activation = Literal["tanh", "relu"]
Schedule = Literal["constant", "linear", "cosine"]


class Settings(BaseModel):
    """Of PPO."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0, description="of the network's weights and of all chance")
    num_envs: Positive = Field(128, description="environments in the batch")
    rollout: Positive = Field(100, description="steps of each environment between updates")
    steps: Positive = Field(1_000_000, description="environment steps after which training ends")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam, at the start")
    schedule: Schedule = Field("linear", description="how the learning rate goes to zero")
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


class Guidance(BaseModel):
    """How a teacher guides PPO early in training, and how it lets go.

    The defaults are those of arXiv 2509.05311; episodes are counted over all environments.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mask: Fraction = Field(
        1.0, description="how strongly the teacher's advice masks what is played, at first"
    )
    auxiliary: Fraction = Field(
        1.0, description="share of the policy's loss that pulls it to the teacher, at first"
    )
    divergence: Literal["forward", "reverse", "jensen-shannon", "argmax"] = Field(
        "forward", description="of teacher and policy: what the auxiliary loss makes small"
    )
    passes: Positive = Field(
        30, description="over each rollout while the auxiliary loss lasts, in place of PPO's"
    )
    temperature: float = Field(1.0, gt=0, description="of the advice; above 1 is softer")
    smoothing: Fraction = Field(0.0, description="share of the advice spread over all actions")
    fade: Literal["steps", "linear", "cosine", "agreement"] = Field(
        "steps", description="how mask and auxiliary loss go to zero"
    )
    full_until: int = Field(32, ge=0, description="episodes before they begin to")
    interval: Positive = Field(8, description="episodes from one step down to the next")
    decay: float = Field(0.25, gt=0, le=1, description="how far down a step goes")
    agreed: float = Field(
        0.8, gt=0, le=1, description="fading by agreement: overlap with the teacher that is enough"
    )
    guided_at_most: Positive = Field(
        1000, description="fading by agreement: episodes after which guidance ends anyway"
    )
    entropy_rise: float = Field(
        5e-4, ge=0, description="the entropy bonus's weight grows by this with each step down"
    )
    correction: bool = Field(
        False,
        description="weigh a masked sample by how much less likely the policy alone would play it",
    )


class Distilling(BaseModel):
    """How trained policies are taught to a student."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0, description="of the student's weights and of all chance")
    num_envs: Positive = Field(128, description="environments of each teacher")
    rollout: Positive = Field(100, description="steps of each environment between updates")
    steps: Positive = Field(
        1_000_000, description="environment steps, of all teachers together, after which it ends"
    )
    learning_rate: float = Field(5e-3, gt=0, description="of Adam, at the start")
    schedule: Schedule = Field("linear", description="how the learning rate goes to zero")
    epochs: Positive = Field(4, description="passes over each rollout")
    minibatches: Positive = Field(32, description="parts of each pass")
    temperature: float = Field(
        1.0, gt=0, description="of the teachers' policies; below 1 is nearer to their arg-max"
    )
    value_weight: float = Field(0.5, ge=0, description="weight of the critic's loss")
    max_grad_norm: float = Field(0.5, gt=0, description="gradients are clipped to this length")
