"""What an encoder's file says of itself, in the metadata of its ONNX graph."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

KEY: Final = "sluicegate.teacher"
"""Of the metadata's entry, which is JSON."""


class About(BaseModel):
    """All that it takes to ask an encoder, besides its graph."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: list[str] = Field(description="of actions, in the order of the graph's labels")
    context: int = Field(ge=1, description="tokens that it can read")
    parameters: int = Field(ge=1, description="weights, before quantisation")
    tokenizer: str = Field(description="a tokenizer.json")
