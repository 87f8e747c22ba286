"""What a gateway's world does by itself, and how it takes verdicts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from training.settings import Fraction


class Surroundings(BaseModel):
    """Attackers' reactions, and an intrusion detection system beside some of the gateways."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    moves: Fraction = Field(
        0.3, description="share of rules on an address or service that an attacker gets around"
    )
    moves_after_s: float = Field(30.0, gt=0, description="mean time until then")
    gives_up: Fraction = Field(0.5, description="share of rules after which an attacker gives up")
    gives_up_after_s: float = Field(60.0, gt=0, description="mean time until then")
    ids: Fraction = Field(0.3, description="share of episodes with an intrusion detection system")
    ids_sees: Fraction = Field(
        0.3, description="chance that it raises an alert at a malicious flow's later decision point"
    )
    ids_errs: Fraction = Field(0.0005, description="the same of other flows")
    alert_weight: float = Field(2.0, gt=0, description="of its alerts, on either end of the flow")

    @classmethod
    def still(cls) -> Surroundings:
        """Nobody reacts, and there is no such system: as a recording is replayed."""
        return cls(moves=0, gives_up=0, ids=0)
