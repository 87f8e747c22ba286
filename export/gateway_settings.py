"""How a gateway's policy is exported; the descriptions are the command line's help."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from export.settings import Course, Pruning
from training.settings import Positive

# Verdicts hang on small differences of logits, so the last of learning is slow and sharp.
_TUNING = Course(learning_rate=5e-4, temperature=1.0)


class Plan(BaseModel):
    """Of all stages; what is particular to a kind of box is in its profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0, description="of all chance")
    noise: float = Field(
        0.1, ge=0, description="deviation that is added to observed sizes, times and counts"
    )
    distil_steps: Positive = Field(
        12_000, description="steps down the gradient, where the student is not the policy itself"
    )
    prune_rounds: Positive = Field(4, description="in which units go, with learning after each")
    prune_steps: Positive = Field(3_000, description="steps down the gradient after each round")
    method: Literal["qat", "ptq"] = Field(
        "qat", description="of quantising: with training, or after it, the quick way"
    )
    tune_steps: Positive = Field(6_000, description="steps down the gradient of qat")
    tries: Positive = Field(
        4, description="of qat, until one decides and earns as the trained policy does"
    )

    @property
    def distilling(self) -> Course:
        """How a student learns the policy."""
        return Course(steps=self.distil_steps)

    @property
    def pruning(self) -> Pruning:
        """How units go."""
        return Pruning(rounds=self.prune_rounds, course=Course(steps=self.prune_steps))

    @property
    def tuning(self) -> Course:
        """How a student gets used to whole numbers."""
        return _TUNING.model_copy(update={"steps": self.tune_steps})
