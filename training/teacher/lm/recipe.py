"""How the teacher's language model is made, as settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from training.settings import Positive


class Recipe(BaseModel):
    """How the teacher's language model is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0, description="of weights, texts and exercises")
    vocabulary: Positive = Field(1536, description="tokens of the tokeniser")
    width: Positive = Field(256, description="of the model's layers")
    layers: Positive = Field(4, description="of the model")
    heads: Positive = Field(8, description="of attention")
    hidden: Positive = Field(768, description="width inside of a feed-forward network")
    context: Positive = Field(1024, description="tokens that the model can look back on")
    documents: Positive = Field(20_000, description="of text to pre-train on")
    window: Positive = Field(256, description="tokens of a window of text")
    windows: Positive = Field(16, description="of text in a batch")
    pretraining_steps: int = Field(400, ge=0, description="updates on text; 0: none")
    exercises: Positive = Field(32, description="in a batch")
    tuning_steps: Positive = Field(6000, description="updates on exercises")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW, at its highest")
    mixed: bool = Field(
        False, description="multiply matrices in bfloat16, where the processor does so faster"
    )
