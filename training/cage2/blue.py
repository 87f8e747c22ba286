"""What blue's actions do to the network (the order of actions is ``Scenario.actions``)."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import NamedTuple

import torch

from training.cage2.bits import DTYPE, bit, keep_if, overlap
from training.cage2.state import State
from training.cage2.tables import Tables

ANALYSE, REMOVE, FIRST_DECOY = 0, 1, 2


class BlueAction(NamedTuple):
    """A batch of blue's actions, taken apart."""

    host: torch.Tensor  # (B,) set of the host acted on; empty for Sleep and Monitor
    kind: torch.Tensor  # (B,) int32: row of ``Scenario.actions``; -1 for Sleep and Monitor
    restore: torch.Tensor  # (B,) bool
    remove: torch.Tensor  # (B,) bool
    analyse: torch.Tensor  # (B,) bool


def parse(tables: Tables, action: torch.Tensor) -> BlueAction:
    """Take indices ``(B,)`` apart: 0 Sleep, 1 Monitor, then kind by kind, host by host."""
    on_host = action >= 2
    place = (action - 2).clamp(min=0).to(DTYPE)
    kind = torch.where(on_host, place // tables.hosts, -1)
    return BlueAction(
        host=keep_if(on_host, bit(place % tables.hosts)),
        kind=kind,
        restore=kind == FIRST_DECOY + len(tables.wants),
        remove=kind == REMOVE,
        analyse=kind == ANALYSE,
    )


def opened(tables: Tables, decoys: torch.Tensor) -> torch.Tensor:
    """``(P, B)`` sets of hosts where a decoy opens each port."""
    nowhere = torch.zeros_like(decoys[0])
    return torch.stack([reduce(or_, (decoys[d] for d in of), nowhere) for of in tables.openers])


def act(tables: Tables, state: State, blue: BlueAction) -> tuple[State, torch.Tensor]:
    """The state after blue's actions, and ``(B,)`` sets of the hosts that a decoy was placed on."""
    restored = keep_if(blue.restore, blue.host)
    removed = keep_if(blue.remove, blue.host)
    decoys, placed = _place(tables, state.decoys & ~restored, blue)
    server_restored = overlap(restored, tables.server)
    unremovable = state.unremovable & ~restored
    if tables.repaired:
        unremovable = unremovable & ~removed
    state = state._replace(
        privileged=state.privileged & ~restored | restored & tables.foothold,
        removable=state.removable & ~(restored | removed),
        unremovable=unremovable,
        malware=state.malware & ~restored,
        restored=state.restored | restored,
        decoys=decoys,
        service_up=state.service_up | server_restored,
    )
    if not tables.repaired:
        # The official code loses the restored service's process: nothing is left to stop.
        state = state._replace(stoppable=state.stoppable & ~server_restored)
    return state, placed


def _place(
    tables: Tables, decoys: torch.Tensor, blue: BlueAction
) -> tuple[torch.Tensor, torch.Tensor]:
    """Decoys ``(D, B)`` after placement, and ``(B,)`` sets of the hosts where it succeeded."""
    free = tables.placeable & ~opened(tables, decoys)[tables.wants]
    rows = torch.arange(len(tables.wants), dtype=DTYPE, device=decoys.device)[:, None]
    placed = keep_if(blue.kind - FIRST_DECOY == rows, free & blue.host)
    return decoys | placed, keep_if((placed != 0).any(0), blue.host)
