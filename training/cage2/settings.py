"""What a CAGE-2 network is and defends, as settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from training.cage2.scenario import Variant


class Blueprint(BaseModel):
    """A network, apart from its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str = Field("official", description="network to defend: a name or a file")
    variant: Variant = Field(Variant.HEAD, description="whose rules hold")
    hidden: list[int] = Field([256, 256], description="width of a hidden layer; repeat for more")

    @field_validator("hidden")
    @classmethod
    def _has_width(cls, hidden: list[int]) -> list[int]:
        if any(width < 1 for width in hidden):
            raise ValueError("a layer's width is at least 1")
        return hidden
