"""How students learn and shrink, whatever they are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from training.settings import Positive


class Course(BaseModel):
    """How a student learns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Positive = Field(3000, description="steps down the gradient")
    batch: Positive = Field(1024, description="examples in each")
    learning_rate: float = Field(2e-3, gt=0, description="of Adam, at the start; falls to nothing")
    temperature: float = Field(
        2.0, gt=0, description="logits are divided by it: how sure a policy is matters, too"
    )


class Pruning(BaseModel):
    """How hidden units go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: Positive = Field(4, description="in which units go, with learning after each")
    course: Course = Field(Course(steps=1500), description="after each round")
