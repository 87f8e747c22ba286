"""What a gateway's policy is, and how it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.gateway.rewards import Rewards
from training.gateway.surroundings import Surroundings
from training.settings import Activation, Ending, Fraction, Guidance, Positive, Settings, Widths


class Blueprint(BaseModel):
    """A network, apart from its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: Widths = Field([64, 64], description="width of a hidden layer; repeat for more")
    activation: Activation = Field("relu", description="of the hidden layers")


class PPOSettings(Settings):
    """PPO where most decisions are about one flow: what follows from them follows soon."""

    num_envs: Positive = Field(256, description="environments in the batch")
    rollout: Positive = Field(64, description="steps of each environment between updates")
    steps: Positive = Field(6_000_000, description="environment steps after which training ends")
    gamma: Fraction = Field(0.9, description="discount of rewards")
    gae_lambda: Fraction = Field(0.9, description="of generalised advantage estimation")
    minibatches: Positive = Field(8, description="parts of each pass")
    reward_scale: float = Field(0.05, gt=0, description="rewards are learned from times this")
    reward_clip: float = Field(
        2.0,
        gt=0,
        description="and cut to this size then, either way: one rule may stop hundreds of flows,"
        " and would count for more than all else",
    )
    limit_is_end: bool = Field(
        False, description="nothing is worth anything after an episode's step limit"
    )


class World(BaseModel):
    """What is played, besides the recordings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    episode: Positive = Field(512, description="decision points of an episode")
    noise: float = Field(
        0.03,
        ge=0,
        description="deviation that is added to observed sizes, times and counts, so that no"
        " capture is learned by heart; 0.03 is about a quarter of a value",
    )
    evaluate_every: Positive = Field(20, description="rollouts between looks at the validation")
    better: float = Field(
        0.005,
        ge=0,
        description="share of what validation has at stake by which a later network has to earn"
        " more to be kept: less is luck, and what was learned first is what carries over best",
    )


class Rehearsal(BaseModel):
    """What is learned by hindsight, before anything is played and beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rehearsal: int = Field(
        0, ge=0, description="steps down the gradient on what was right at recorded points; 0: none"
    )
    members: Positive = Field(
        5, description="networks that learn labels; the policy learns from their mean"
    )
    rehearsal_batch: Positive = Field(4096, description="decision points in each of them")
    rehearsal_rate: float = Field(1e-3, gt=0, description="learning rate of Adam, at the start")
    hindsight: Fraction = Field(
        0.0, description="share of the loss that stays with what was right while PPO learns"
    )

    @model_validator(mode="after")
    def _something_to_stay_with(self) -> Self:
        if self.hindsight and not self.rehearsal:
            raise ValueError("hindsight keeps to what was rehearsed: set rehearsal, too")
        return self


class Limits(BaseModel):
    """What legitimate traffic bears, of the validation captures of each corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    harm: Fraction = Field(0.001, description="share of legitimate flows that may be stopped")
    slowed: Fraction = Field(0.005, description="the same of those that may be throttled")
    apart: float = Field(
        1.0, ge=0, description="nats by which blocking has to be surer than throttling, at least"
    )
    besides: Fraction = Field(
        0.005,
        description="share that may be stopped in all, by rules about others, too: it is what an"
        " infected host does besides, mostly",
    )
    margin: float = Field(
        10.0,
        ge=1,
        description="thresholds are put where decisions use up this part of it: what no validation"
        " has seen is judged worse",
    )
    spare: float = Field(
        1.0,
        ge=0,
        description="nats by which thresholds are higher still: one throttle of a busy host slows"
        " hundreds of flows",
    )


class Plan(BaseModel):
    """A whole training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpora: tuple[Path, ...] = Field(min_length=1, description="manifests")
    folders: tuple[Path, ...] = Field(description="of the corpora, one each")
    without: tuple[str, ...] = Field(
        (), description="families whose flows count as unknown, in training and in validation"
    )
    network: Blueprint = Blueprint()
    ppo: PPOSettings = PPOSettings()
    ending: Ending = Ending()
    world: World = World()
    surroundings: Surroundings = Surroundings()
    rewards: Rewards = Rewards()
    rehearsal: Rehearsal = Rehearsal()
    limits: Limits = Limits()
    teacher: str | None = Field(
        "playbook",
        description="playbook, passages, lm, encoder, random, or a model's file; None: none",
    )
    unqualified: bool = Field(
        False, description="take a language model that failed its examination, or had none"
    )
    guidance: Guidance = Guidance()
