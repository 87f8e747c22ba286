"""Capacity: how much the tables remember, and so all the memory that traffic can take."""

from pydantic import BaseModel, ConfigDict, Field


class Capacity(BaseModel):
    """Hard caps; beyond one, the entry idle for longest gives way and is counted as evicted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flows: int = Field(131_072, ge=16, le=1 << 24, description="flows at one time (356 bytes each)")
    hosts: int = Field(
        16_384,
        ge=16,
        le=1 << 22,
        description="hosts (472 bytes each, and 544 for 8 more peers and ports on average)",
    )
    pairs: int = Field(65_536, ge=16, le=1 << 24, description="initiator and service (108 bytes)")
    rules: int = Field(8_192, ge=16, le=1 << 20, description="verdicts in force (84 bytes each)")
