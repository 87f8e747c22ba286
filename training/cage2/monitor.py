"""What blue sees: the step's activity, the verdict that stays, and the observation of both."""

from __future__ import annotations

from typing import Final

import torch

from training.cage2.bits import keep_if, members, overlap
from training.cage2.blue import BlueAction
from training.cage2.red import Events, listening
from training.cage2.state import State
from training.cage2.tables import Tables

# A scan is told from other traffic by the distinct ports that it touches.
_SCAN_PORTS: Final = 3


def activity(
    tables: Tables, state: State, events: Events, placed: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """``(2, B)`` sets: hosts with activity, and hosts whose activity is an exploit's.

    A decoy placed in the same step (``placed``, ``(B,)`` sets) enters the same report and distorts
    it: traffic goes unseen, a trapped exploit looks like a successful one, and a scan shows only
    where it touched enough ports.
    """
    at = events.scan | events.traffic
    ports = overlap(listening(tables, state), events.scan).sum(0)
    wide = ports + tables.other_ports[target.clamp(min=0, max=tables.hosts - 1)] >= _SCAN_PORTS
    hidden = placed & ~keep_if(wide, events.scan)
    exploit = events.exploit | events.trapped & placed
    return torch.stack([at & ~hidden | events.trapped | exploit, exploit])


def verdict(
    state: State, blue: BlueAction, seen: torch.Tensor, found: torch.Tensor
) -> torch.Tensor:
    """``(2, B)`` sets, the verdict's two bits: No 00, Unknown 10, User 01, Privileged 11.

    Args:
        state: holds the verdict so far.
        blue: blue's actions of the step.
        seen: ``(2, B)`` the step's activity.
        found: ``(B,)`` sets of hosts where Analyse found red's file.
    """
    first, second = state.verdict
    restored = keep_if(blue.restore, blue.host)
    doubted = keep_if(blue.remove, blue.host) & (first | second)
    user = seen[1]
    first = (first & ~restored | doubted) & ~user | found
    second = second & ~restored & ~doubted | user | found
    return torch.stack([first, second])


def observe(tables: Tables, seen: torch.Tensor, verdict: torch.Tensor) -> torch.Tensor:
    """``(B, 4H)`` float32: for each host two bits of activity and two of the verdict."""
    bits = members(torch.cat([seen, verdict]), tables.hosts)
    return bits.flatten(0, 1).t().to(torch.float32, memory_format=torch.contiguous_format)
