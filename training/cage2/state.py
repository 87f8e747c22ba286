"""The hidden state of a batch of networks, and what is decided in a step.

Every tensor has the batch ``B`` as its last axis. A "set" is a set of hosts as one int32
(:mod:`training.cage2.bits`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from training.cage2.bits import DTYPE
from training.cage2.tables import Tables

# Kinds of red agents.
SLEEP_RED, B_LINE, MEANDER = 0, 1, 2

# Kinds of red actions, as the recorded traces number them.
SLEEP, SWEEP, SCAN, EXPLOIT, ESCALATE, IMPACT = range(6)


class BLine(NamedTuple):
    """What the B_line agent remembers."""

    stage: torch.Tensor  # (B,) int32, 0 to 14
    entry: torch.Tensor  # (B,) set: the host drawn at its first stage 1, or empty
    follow: torch.Tensor  # (B,) set: the host that the entry reveals
    at_server: torch.Tensor  # (B,) bool: stage 12 was visited


class Meander(NamedTuple):
    """What the Meander agent remembers; sets of hosts, and sets of subnets."""

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


class State(NamedTuple):
    """Everything that the next step can depend on."""

    privileged: torch.Tensor  # (B,) set: red runs as root or SYSTEM
    removable: torch.Tensor  # (B,) set: red's user-level sessions that blue's Remove ends
    unremovable: torch.Tensor  # (B,) set: those that it does not end
    malware: torch.Tensor  # (B,) set: a file of red's lies there
    restored: torch.Tensor  # (B,) set: blue has restored it (only variant lb looks)
    decoys: torch.Tensor  # (D, B) sets: where each decoy runs
    known_ports: torch.Tensor  # (P, B) sets: where red remembers each port as open
    scanned: torch.Tensor  # (B,) set: red remembers a scan of it, be it empty
    verdict: torch.Tensor  # (2, B) sets: blue's verdict, in the observation's two bits
    service_up: torch.Tensor  # (B,) bool
    stoppable: torch.Tensor  # (B,) bool: Impact would take the service down
    knows_service: torch.Tensor  # (B,) bool: red has seen the service's name
    success: torch.Tensor  # (B,) bool: red's last action succeeded
    empty_scan: torch.Tensor  # (B,) bool: red's last action was a scan that found no host
    red: torch.Tensor  # (B,) int32: kind of red agent
    b_line: BLine
    meander: Meander


class RedAction(NamedTuple):
    """What red does in a step."""

    kind: torch.Tensor  # (B,) int32: SLEEP … IMPACT
    target: torch.Tensor  # (B,) int32: subnet of a SWEEP, else host; -1 for none
    exploit: torch.Tensor  # (B,) int32: index in the catalogue; -1 for none
    detected: torch.Tensor  # (B,) bool: would blue's monitoring notice a successful exploit


class Step(NamedTuple):
    """What one step shows."""

    activity: torch.Tensor  # (2, B) sets: hosts with activity, and with an exploit's activity
    reward: torch.Tensor  # (B,) float32
    blue_success: torch.Tensor  # (B,) bool: the action did what it says; hidden from the policy
    red: RedAction


def initial(tables: Tables, red: torch.Tensor) -> State:
    """The state after reset, for ``(B,)`` kinds of red agents."""
    empty = torch.zeros_like(red, dtype=DTYPE)
    yes, no = torch.ones_like(red, dtype=torch.bool), torch.zeros_like(red, dtype=torch.bool)
    foothold = empty | tables.foothold
    home = empty | 1 << tables.sweeps[0]
    return State(
        privileged=foothold,
        removable=empty,
        unremovable=empty,
        malware=empty,
        restored=empty,
        decoys=empty.expand(len(tables.wants), -1),
        known_ports=empty.expand(len(tables.openers), -1),
        scanned=empty,
        verdict=empty.expand(2, -1),
        service_up=yes,
        stoppable=yes,
        knows_service=no,
        success=no,
        empty_scan=no,
        red=red.to(DTYPE),
        b_line=BLine(stage=empty, entry=empty, follow=empty, at_server=no),
        meander=Meander(
            exploited=empty,
            escalated=empty,
            scanned=empty,
            mapped=empty,
            addresses=foothold,
            names=foothold,
            swept_subnets=empty,
            known_subnets=home,
            pending_exploit=empty,
            pending_check=empty,
        ),
    )
