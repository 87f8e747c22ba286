"""The settings of the agent, as a pydantic model of ``/etc/sluice/sluice.toml``.

Every field has a default that is right for a home or small-office gateway, and a description that
is its documentation. An unknown key is an error: a misspelt allow-list would allow nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.allowlist import AllowList, networks
from agent.decision import Verdict
from agent.errors import ConfigError
from agent.flows.capacity import Capacity
from agent.keys import parse_public_key
from agent.toml_file import read_toml

# RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291; the unspecified source of DHCP.
HOME_NETWORKS: Final = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "0.0.0.0/32",
    "fc00::/7",
    "fe80::/10",
    "::/128",
)

RunnerChoice = Literal["auto", "onnxruntime", "numpy"]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(gt=0, le=100)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FlowSettings(_Section):
    """How flows are followed; all times are packet time."""

    idle_s: float = Field(120.0, gt=0, description="a flow ends after so long without a packet")
    active_s: float = Field(1800.0, gt=0, description="a flow ends after so long in all")
    capacity: Capacity = Capacity()

    @field_validator("active_s")
    @classmethod
    def _at_least_a_minute(cls, value: float) -> float:
        if value < 60:
            raise ValueError("shorter than 60 s cuts ordinary flows to pieces; 1800 is usual")
        return value


class GuardSettings(_Section):
    """What no policy may override."""

    allow: tuple[str, ...] = Field(
        (),
        description="never touched: networks, 'port N', MAC addresses, 'interface NAME'; list the"
        " gateway's own addresses, its DNS servers and your management station",
    )
    new_verdicts_per_minute: int = Field(
        120, ge=0, description="beyond it verdicts are recorded, not enforced"
    )
    min_throttle: Share = Field(0.5, description="least probability of throttle or worse")
    min_block: Share = Field(0.6, description="least probability of block or worse")
    min_isolate: Share = Field(0.7, description="least probability of isolate")
    ttl_s: tuple[float, ...] = Field(
        (60.0, 600.0, 3600.0, 86400.0),
        min_length=1,
        description="how long a rule lasts, the first time and on each repeat",
    )
    services_before_peer: int = Field(
        5, ge=1, description="blocked services of one peer until the peer is blocked altogether"
    )

    @field_validator("allow")
    @classmethod
    def _parses(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        AllowList.parse(entries)
        return entries

    @property
    def confidence(self) -> dict[Verdict, float]:
        """The least probability of each verdict or a worse one."""
        return {
            Verdict.THROTTLE: self.min_throttle,
            Verdict.BLOCK: self.min_block,
            Verdict.ISOLATE: self.min_isolate,
        }


class AlertSettings(_Section):
    """What the alerts of an intrusion detection system count."""

    # The scale on which the agent's own verdicts count on a host: throttle 1, block 2, isolate 3.
    weight: tuple[Weight, Weight, Weight, Weight] = Field(
        (3.0, 2.0, 1.0, 0.5),
        description="of an alert of severity 1, 2, 3 and 4 on the flow's initiator; on its"
        " responder half",
    )


class PolicySettings(_Section):
    """Which policies may decide here, and what runs them."""

    keys: tuple[str, ...] = Field(
        (),
        description="public keys whose bundles are trusted, as `sluice-export keygen` prints them;"
        " the shipped policy needs none",
    )
    store: Path = Field(
        Path("/var/lib/sluice/policies"), description="where `sluice policy install` puts bundles"
    )
    runner: RunnerChoice = Field(
        "auto", description="what computes a policy; auto: onnxruntime where installed, else numpy"
    )
    profile: str = Field(
        "",
        description="the box's firmware profile, a name or a TOML file, whose limits a bundle must"
        " keep; empty: no limits",
    )

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            try:
                parse_public_key(key)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return keys

    @property
    def trusted(self) -> tuple[bytes, ...]:
        """The keys, 32 bytes each."""
        return tuple(map(parse_public_key, self.keys))


class Settings(_Section):
    """The whole file."""

    home_networks: tuple[str, ...] = Field(
        HOME_NETWORKS, description="addresses that count as local hosts, which can be isolated"
    )
    tick_s: float = Field(
        1.0, gt=0, le=60, description="packet time after which verdicts come into force"
    )
    flows: FlowSettings = FlowSettings()
    guard: GuardSettings = GuardSettings()
    alerts: AlertSettings = AlertSettings()
    policy: PolicySettings = PolicySettings()

    @field_validator("home_networks")
    @classmethod
    def _are_networks(cls, cidrs: tuple[str, ...]) -> tuple[str, ...]:
        networks(cidrs)
        return cidrs

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Read a TOML file.

        Raises:
            ConfigError: it cannot be read, is no TOML, or says what cannot be obeyed.
        """
        return read_toml(path, cls, ConfigError)
