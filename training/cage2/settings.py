"""What a CAGE-2 network is and defends, as settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from training.cage2.codes import Red
from training.cage2.scenario import Variant
from training.settings import Ending, Fraction, Guidance, Settings, Widths


class Blueprint(BaseModel):
    """A network, apart from its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str = Field("official", description="network to defend: a name or a file")
    variant: Variant = Field(Variant.HEAD, description="whose rules hold")
    kind: Literal["flat", "hostwise"] = Field(
        "flat", description="layers over the whole input, or weights shared by all hosts"
    )
    hidden: Widths = Field([256, 256], description="flat: width of a hidden layer; repeat for more")
    width: int = Field(32, ge=1, description="hostwise: numbers that stand for a host")
    rounds: int = Field(2, ge=0, description="hostwise: how often hosts hear of each other")


class Plan(BaseModel):
    """A whole training run: what is learned, against whom, how, and under whose guidance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: Blueprint = Blueprint()
    ppo: Settings = Settings()
    ending: Ending = Ending()
    red: tuple[Red, ...] = (Red.B_LINE, Red.MEANDER)
    horizon: int = Field(100, ge=1, description="steps of an episode")
    start: str | None = Field(None, description="checkpoint whose weights training begins with")
    teacher: str | None = Field(
        None,
        description="playbook, passages, lm, encoder, random, or a file; None: none",
    )
    unqualified: bool = Field(
        False, description="take a language model that failed its examination, or had none"
    )
    wrong: Fraction = Field(0.0, description="share of states in which the teacher errs on purpose")
    guidance: Guidance = Guidance()
