"""What a gateway's world does by itself, and how it takes verdicts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from training.settings import Fraction


class Surroundings(BaseModel):
    """Reactions of attackers, users and analysts, and a detection system beside some gateways."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    moves: Fraction = Field(
        0.3, description="share of rules on an address or service that an attacker gets around"
    )
    moves_after_s: float = Field(30.0, gt=0, description="mean time until then")
    gives_up: Fraction = Field(0.5, description="share of rules after which an attacker gives up")
    gives_up_after_s: float = Field(60.0, gt=0, description="mean time until then")
    # Assumed: programs and people try once more before they do something else.
    retries: float = Field(
        1.0, ge=0, description="mean number of tries of a user again, whose flow a rule stops"
    )
    # Assumed: between a program, which waits a second, and a person.
    retry_after_s: float = Field(5.0, gt=0, description="mean time to each of them")
    # Assumed: as many as attackers give up, with more patience, so that most outlast a first rule.
    leaves: Fraction = Field(
        0.5,
        description="share of rules whose users leave after a while, which costs as much as one"
        " more legitimate flow stopped, and nothing from then on",
    )
    leaves_after_s: float = Field(120.0, gt=0, description="mean time until then")
    confirmed_after_s: float = Field(
        0.0,
        ge=0,
        description="mean time until an analyst confirms that a stopped flow was malicious, which"
        " is when it is paid; 0: at once",
    )
    ids: Fraction = Field(0.3, description="share of episodes with an intrusion detection system")
    ids_sees: Fraction = Field(
        0.3, description="chance that it raises an alert at a malicious flow's later decision point"
    )
    ids_errs: Fraction = Field(0.0005, description="the same of other flows")
    alert_weight: float = Field(2.0, gt=0, description="of its alerts, on either end of the flow")

    @classmethod
    def still(cls) -> Surroundings:
        """Nobody reacts, and there is no such system: as a recording is replayed."""
        return cls(moves=0, gives_up=0, retries=0, leaves=0, confirmed_after_s=0, ids=0)
