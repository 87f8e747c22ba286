"""The reward table of the gateway, which users edit: ``training/gateway/data/reward.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from agent.toml_file import read_toml
from training.errors import CorpusError

SHIPPED: Final = Path(__file__).parent / "data" / "reward.toml"

Gain = Annotated[float, Field(ge=0)]
Cost = Annotated[float, Field(le=0)]


class Rewards(BaseModel):
    """Points; see the comments in the shipped table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stop_malicious: Gain = Field(10.0, description="a malicious flow that is stopped")
    stop_legitimate: Cost = Field(-5.0, description="a legitimate flow that is stopped")
    latency_per_100_ms: Cost = Field(
        -1.0, description="each 100 ms that a throttle adds to a legitimate flow's packets"
    )
    harm: Cost = Field(-5.0, description="a malicious flow of which everything passes")

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Self:
        """Read a table.

        Raises:
            CorpusError: it cannot be read, is no TOML, or has a reward that is a punishment.
        """
        return read_toml(path, cls, CorpusError)


COMPONENTS: Final = ("stop_malicious", "stop_legitimate", "latency", "harm")
"""Of a step's reward; they sum to it."""
