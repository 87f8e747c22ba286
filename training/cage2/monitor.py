"""What blue's monitoring makes of a step: activity, the verdict that stays, the observation."""

from __future__ import annotations

from typing import Final

import torch

from training.cage2.bits import look, members, only
from training.cage2.blue import Command
from training.cage2.red import Events, listening
from training.cage2.state import State, View
from training.cage2.tables import Tables

# Traffic counts as a scan from this many distinct ports on.
_SCAN_PORTS: Final = 3


def watch(
    tables: Tables,
    state: State,
    command: Command,
    events: Events,
    placed: torch.Tensor,
    found: torch.Tensor,
) -> View:
    """Blue's view after a step.

    A decoy placed in the same step enters the same report and distorts it: an ineffective or
    unnoticed exploit goes unseen, a trapped one looks like a success, and a scan shows only where
    it touched enough ports.

    Args:
        tables: the scenario's constants.
        state: after the step; its view is the one before.
        command: blue's actions of the step.
        events: what red's actions showed.
        placed: ``(B,)`` sets of hosts where a decoy was placed in the step.
        found: ``(B,)`` sets of hosts where Analyse found red's file.
    """
    # The only host at which both happen is the one that blue acted on.
    ports = look(tables.counts, listening(tables, state, command.host))
    wide = ports + look(tables.services.other_ports, command.host) >= _SCAN_PORTS
    exploited = events.exploit | events.trapped & placed
    active = (
        exploited | events.trapped | events.traffic & ~placed | events.scan & ~only(~wide, placed)
    )
    old = state.view
    doubted = command.removed & (old.suspected | old.confirmed)
    suspected = (old.suspected & ~command.restored | doubted) & ~exploited | found
    confirmed = old.confirmed & ~command.restored & ~doubted | exploited | found
    return View(active, exploited, suspected, confirmed)


def observe(tables: Tables, view: View) -> torch.Tensor:
    """``(B, 4H)`` float32: for each host two bits of activity and two of the verdict.

    In memory an environment's neighbour is the next environment: laying out rows would cost more
    than all the rest, and a matrix product reads either.
    """
    return members(torch.stack(view), tables.hosts).flatten(0, 1).to(torch.float32).t()
