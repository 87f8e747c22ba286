"""What blue's actions do to the network (``Scenario.actions`` gives their order)."""

from __future__ import annotations

from typing import NamedTuple

import torch

from training.cage2.bits import DTYPE, bit, get, look, only, overlap, put
from training.cage2.codes import ANALYSE, FIRST_DECOY, REMOVE
from training.cage2.state import State
from training.cage2.tables import Tables


class Command(NamedTuple):
    """A batch of blue's actions, taken apart; ``(B,)`` each."""

    kind: torch.Tensor  # int32: row of ``Scenario.actions``; -1 for Sleep and Monitor
    host: torch.Tensor  # int32: the host acted on; 0 for Sleep and Monitor
    analysed: torch.Tensor  # set of the host, if it is analysed
    removed: torch.Tensor  # set of the host, if sessions are removed
    restored: torch.Tensor  # set of the host, if it is restored
    decoy: torch.Tensor  # int32: the decoy to place; -1 for none


def parse(tables: Tables, action: torch.Tensor) -> Command:
    """Take indices ``(B,)`` apart: 0 Sleep, 1 Monitor, then kind by kind, host by host."""
    action = action.to(DTYPE) - 2
    place = action.clamp(min=0)
    kind = torch.where(action >= 0, place // tables.hosts, -1)
    host = place % tables.hosts
    here = bit(host)
    restore = FIRST_DECOY + tables.num_decoys
    places = (kind >= FIRST_DECOY) & (kind < restore)
    return Command(
        kind=kind,
        host=host,
        analysed=only(kind == ANALYSE, here),
        removed=only(kind == REMOVE, here),
        restored=only(kind == restore, here),
        decoy=torch.where(places, kind - FIRST_DECOY, -1),
    )


def act(tables: Tables, state: State, command: Command) -> tuple[State, torch.Tensor]:
    """The state after blue's actions, and ``(B,)`` sets of the hosts that a decoy was placed on."""
    restored, removed = command.restored, command.removed
    server_restored = overlap(restored, tables.server)
    decoys, placed = _place(tables, state.decoys, command)
    unremovable = state.unremovable & ~restored
    if tables.repaired:
        unremovable = unremovable & ~removed
    # In the official code the restored service has lost its process: nothing is left to stop.
    stoppable = state.stoppable & ~server_restored if tables.disarms else state.stoppable
    state = state._replace(
        privileged=state.privileged & ~restored | restored & tables.foothold,
        removable=state.removable & ~(restored | removed),
        unremovable=unremovable,
        malware=state.malware & ~restored,
        restored=state.restored | restored,
        decoys=decoys,
        service_up=state.service_up | server_restored,
        stoppable=stoppable,
    )
    return state, placed


def _place(
    tables: Tables, decoys: torch.Tensor, command: Command
) -> tuple[torch.Tensor, torch.Tensor]:
    """Decoys ``(H, B)`` after the action, and ``(B,)`` sets of the hosts where one was placed."""
    here = get(decoys, command.host)
    placed = placeable(tables, command.host, here, command.decoy)
    after = only(command.restored == 0, here) | only(placed, bit(command.decoy))
    return put(decoys, command.host, after), only(placed, bit(command.host))


def placeable(
    tables: Tables, host: torch.Tensor, running: torch.Tensor, decoy: torch.Tensor
) -> torch.Tensor:
    """Whether a decoy fits a host's system and finds its port unused.

    Args:
        tables: the scenario's constants.
        host: ``(B,)`` hosts.
        running: ``(B,)`` sets of the decoys that run there.
        decoy: ``(B,)`` decoys; -1 is never placeable.
    """
    services = tables.services
    used = look(services.genuine, host) | look(services.opened, running)
    unused = ~overlap(used, look(services.wanted, decoy.clamp(min=0)))
    return unused & overlap(bit(decoy), look(services.fits, host))
