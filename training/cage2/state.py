"""The hidden state of a batch of networks, and what is decided and shown in a step.

``B`` environments, ``H`` hosts. A "set" is a set of hosts as one int32 (see ``bits``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

import torch

from training.cage2.bits import DTYPE
from training.cage2.tables import Tables


class BLine(NamedTuple):
    """What the B_line agent remembers."""

    stage: torch.Tensor  # (B,) int32, 0 to 14
    entry: torch.Tensor  # (B,) set: the host drawn at its first stage 1, or empty
    follow: torch.Tensor  # (B,) set: the host that the entry reveals
    at_server: torch.Tensor  # (B,) bool: stage 12 was played


class Meander(NamedTuple):
    """What the Meander agent remembers: ``(B,)`` sets of hosts, and sets of subnets."""

    exploited: torch.Tensor
    escalated: torch.Tensor
    scanned: torch.Tensor
    mapped: torch.Tensor  # ever exploited with success
    addresses: torch.Tensor  # known
    names: torch.Tensor  # known
    swept_subnets: torch.Tensor
    known_subnets: torch.Tensor
    pending_exploit: torch.Tensor  # what the last action attacked, or empty
    pending_check: torch.Tensor  # what the last action escalated on or impacted, or empty


class View(NamedTuple):
    """What blue sees: ``(B,)`` sets, in the order of the observation's four bits a host."""

    active: torch.Tensor  # a scan or an exploit showed in the last step
    exploited: torch.Tensor  # it looked like an exploit
    suspected: torch.Tensor  # the verdict is Unknown or Privileged
    confirmed: torch.Tensor  # the verdict is User or Privileged


class State(NamedTuple):
    """Everything that the next step can depend on, and blue's view."""

    privileged: torch.Tensor  # (B,) set: red runs as root or SYSTEM
    removable: torch.Tensor  # (B,) set: red's user-level sessions that blue's Remove ends
    unremovable: torch.Tensor  # (B,) set: those that it does not end
    malware: torch.Tensor  # (B,) set: a file of red's lies there
    restored: torch.Tensor  # (B,) set: blue has restored it (only variant lb looks)
    scanned: torch.Tensor  # (B,) set: red remembers a scan of it
    decoys: torch.Tensor  # (H, B) uint8: set of decoys
    known_ports: torch.Tensor  # (H, B) uint8: set of ports that red remembers as open
    service_up: torch.Tensor  # (B,) bool
    stoppable: torch.Tensor  # (B,) bool: Impact would take the service down
    knows_service: torch.Tensor  # (B,) bool: red has seen the service's name
    success: torch.Tensor  # (B,) bool: red's last action succeeded
    empty_scan: torch.Tensor  # (B,) bool: red's last action was a scan that reached nothing
    red: torch.Tensor  # (B,) int32: kind of red agent
    b_line: BLine
    meander: Meander
    view: View


class RedAction(NamedTuple):
    """What red does in a step."""

    kind: torch.Tensor  # (B,) int32: SLEEP … IMPACT (see ``codes``)
    target: torch.Tensor  # (B,) int32: subnet of a SWEEP, else host; -1 for none
    exploit: torch.Tensor  # (B,) int32: index in the catalogue; -1 for none
    detected: torch.Tensor  # (B,) bool: blue's monitoring notices, if an exploit succeeds


class Outcome(NamedTuple):
    """What a step brought, beside the state; all but the reward is hidden from a policy."""

    reward: torch.Tensor  # (B,) float32
    blue_success: torch.Tensor  # (B,) bool: the action did what it says
    red_kind: torch.Tensor  # (B,) int32
    red_target: torch.Tensor  # (B,) int32


def flatten(state: State) -> list[torch.Tensor]:
    """The state's tensors, one after another."""
    return [*state[: -len(_NESTED)], *chain.from_iterable(state[-len(_NESTED) :])]


def unflatten(tensors: Sequence[torch.Tensor]) -> State:
    """The state of :func:`flatten`'s tensors."""
    rest = iter(tensors)
    plain = list(islice(rest, len(State._fields) - len(_NESTED)))
    nested = [kind(*islice(rest, len(kind._fields))) for kind in _NESTED]
    return State._make([*plain, *nested])


_NESTED: Final = (BLine, Meander, View)


def initial(tables: Tables, red: torch.Tensor) -> State:
    """The state after reset, for ``(B,)`` kinds of red agents."""

    # Every tensor is its own: a compiled step would have to be compiled again for shared ones.
    def sets(members: int = 0) -> torch.Tensor:
        return torch.full_like(red, members, dtype=DTYPE)

    def flags(value: bool) -> torch.Tensor:
        return torch.full_like(red, value, dtype=torch.bool)

    def bytes_() -> torch.Tensor:
        return torch.zeros((tables.hosts, len(red)), dtype=torch.uint8, device=red.device)

    memory = Meander(*(sets() for _ in Meander._fields))
    return State(
        privileged=sets(tables.foothold),
        removable=sets(),
        unremovable=sets(),
        malware=sets(),
        restored=sets(),
        scanned=sets(),
        decoys=bytes_(),
        known_ports=bytes_(),
        service_up=flags(True),
        stoppable=flags(True),
        knows_service=flags(False),
        success=flags(False),
        empty_scan=flags(False),
        red=red.to(DTYPE, copy=True),
        b_line=BLine(stage=sets(), entry=sets(), follow=sets(), at_server=flags(False)),
        meander=memory._replace(
            addresses=sets(tables.foothold),
            names=sets(tables.foothold),
            known_subnets=sets(tables.home),
        ),
        view=View(*(sets() for _ in View._fields)),
    )
