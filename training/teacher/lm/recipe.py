"""How the teacher's language model is made, as settings."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.settings import Positive


class Architecture(BaseModel):
    """What a decoder is built from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocabulary: Positive = Field(2048, description="tokens that it knows")
    width: Positive = Field(256, description="of its layers; 256 and its multiples quantise best")
    layers: Positive = Field(4, description="blocks of attention and feed-forward network")
    heads: Positive = Field(4, description="of attention; they share the width")
    kv_heads: Positive = Field(4, description="keys and values of attention; heads share them")
    hidden: Positive = Field(768, description="width inside of a feed-forward network")
    context: Positive = Field(1024, description="tokens that it can look back on")
    rope_base: float = Field(10_000.0, gt=1, description="of the rotary embeddings' wavelengths")
    norm_eps: float = Field(1e-5, gt=0, description="added to the mean square in norms")
    tied: bool = Field(True, description="embeddings are the output's weights too")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError("width must be a multiple of twice the heads")
        if self.heads % self.kv_heads:
            raise ValueError("heads must be a multiple of kv_heads")
        return self

    @property
    def head_width(self) -> int:
        """Dimensions of one head."""
        return self.width // self.heads


class Tuning(BaseModel):
    """How a model learns to read exercises."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0, description="of weights, texts and exercises")
    exercises: int = Field(640_000, ge=0, description="to fine-tune on; 0: no fine-tuning")
    held_out: Positive = Field(1024, description="exercises to evaluate on")
    epochs: float = Field(1.0, gt=0, description="how often each exercise is seen, on average")
    batch: Positive = Field(64, description="exercises in a batch")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW, at its highest")
    start: Path | None = Field(
        None, description="weights to begin with, another build's tuned/best.pt"
    )
    mixed: bool = Field(
        False, description="multiply matrices in bfloat16, where the processor does so faster"
    )

    @property
    def tuning_steps(self) -> int:
        """Updates on exercises."""
        return max(1, round(self.epochs * self.exercises / self.batch))


class Recipe(Tuning):
    """How the language model is trained: on text, then on exercises."""

    documents: Positive = Field(3000, description="of text to pre-train on")
    window: Positive = Field(256, description="tokens of a window of text")
    windows: Positive = Field(16, description="of text in a batch")
    pretraining_steps: int = Field(100, ge=0, description="updates on text; 0: none")
    along: int = Field(
        6, ge=0, description="places in an exercise where it is asked what is right so far"
    )
    passages: bool = Field(
        True, description="show rules in exercises; else the playbook is learned by heart"
    )

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if not self.exercises + self.pretraining_steps:
            raise ValueError("there must be exercises or pretraining_steps")
        return self
