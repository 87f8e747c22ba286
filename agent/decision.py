"""Verdicts, the guard's reasons, and the decision that holds both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.addresses import text


class Verdict(IntEnum):
    """What to do about a flow; the policy's outputs, in order of severity."""

    ALLOW = 0
    THROTTLE = 1  # 100 kbit/s for all that the flow's source sends
    BLOCK = 2  # the flow's remote peer and service
    ISOLATE = 3  # the local host, from everything

    @property
    def label(self) -> str:
        """The name in reports, journals and JSON."""
        return self.name.lower()


VERDICTS = tuple(v.label for v in Verdict)


class Reason(IntEnum):
    """Why the applied verdict is what it is; reports and journals share these."""

    POLICY = 0  # as the policy said
    ALLOW_LIST = 1  # the flow is exempt
    NO_LOCAL_HOST = 2  # neither end is local, so there is nothing to isolate: blocked instead
    IN_FORCE = 3  # a rule that is at least as strong covers the flow already
    BUDGET = 4  # too many new verdicts this minute: recorded, not enforced
    CONFIDENCE = 5  # the policy was not sure enough: a weaker verdict, or none

    @property
    def label(self) -> str:
        """The name in reports, journals and JSON."""
        return self.name.lower().replace("_", "-")


class RuleKind(IntEnum):
    """What a rule names, as in ``agent/flows/rules.py``."""

    ISOLATE_HOST = 1
    BLOCK_SERVICE = 2
    BLOCK_PEER = 3
    THROTTLE_SOURCE = 4


class RuleKey(NamedTuple):
    """Whom a rule names; ``proto`` and ``port`` are a service's.

    Remote IPv6 addresses stand for their /64.
    """

    kind: RuleKind
    hi: int
    lo: int
    proto: int = 0
    port: int = 0

    def __str__(self) -> str:
        """For people: ``block 203.0.113.9 tcp/443``."""
        address = text(self.hi, self.lo)
        if self.hi and not self.lo:
            address += "/64"
        match self.kind:
            case RuleKind.ISOLATE_HOST:
                return f"isolate {address}"
            case RuleKind.BLOCK_PEER:
                return f"block {address}"
            case RuleKind.THROTTLE_SOURCE:
                return f"throttle {address}"
            case _:
                return f"block {address} {service_text(self.proto, self.port)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A verdict to be put in force by an enforcer, from ``since_ns`` to ``until_ns``."""

    key: RuleKey
    verdict: Verdict
    since_ns: int
    until_ns: int


@dataclass(slots=True)
class Decisions:
    """The decision points of one pass, as columns; arrays are views, valid until the next pass.

    Attributes:
        points: ``(n,)`` of `agent.flows.records.POINT`, all within one tick.
        observations: ``(n, F)`` float32.
        logits: ``(n, 4)`` float32.
        proposed: ``(n,)`` the policy's verdicts.
        applied: ``(n,)`` the guard's verdicts.
        reasons: ``(n,)`` of `Reason`, meaningful where ``proposed`` is not allow.
        rules: what the guard put in force, by row.
    """

    points: NDArray[np.void]
    observations: NDArray[np.float32]
    logits: NDArray[np.float32]
    proposed: NDArray[np.uint8]
    applied: NDArray[np.uint8]
    reasons: NDArray[np.uint8]
    rules: dict[int, Rule]


_PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6"}
_PROTOCOLS |= {89: "ospf", 132: "sctp"}


def protocol_text(proto: int) -> str:
    """``tcp``, or ``ip-253`` where the number has no name here (IANA protocol numbers)."""
    return _PROTOCOLS.get(proto, f"ip-{proto}")


def service_text(proto: int, port: int) -> str:
    """``tcp/443``, or the protocol alone where it has no ports."""
    return f"{protocol_text(proto)}/{port}" if port else protocol_text(proto)
