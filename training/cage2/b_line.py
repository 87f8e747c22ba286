"""The B_line red agent: a fixed way to the server in 15 stages, with steps back on failure."""

from __future__ import annotations

from typing import Final

import torch

from training.cage2.bits import bit
from training.cage2.state import (
    B_LINE,
    ESCALATE,
    EXPLOIT,
    IMPACT,
    SCAN,
    SWEEP,
    RedAction,
    State,
)
from training.cage2.tables import Tables

# Where a failure at each stage leads.
_JUMP: Final = (0, 1, 2, 2, 2, 2, 5, 5, 5, 5, 9, 9, 9, 12, 13)
_KIND: Final = (
    SWEEP,
    *(SCAN, EXPLOIT, ESCALATE),  # the entry
    *(SCAN, EXPLOIT, ESCALATE),  # the host that it reveals
    SWEEP,
    *(SCAN, EXPLOIT, ESCALATE),  # the pivot
    *(SCAN, EXPLOIT, ESCALATE),  # the server
    IMPACT,
)
_LAST: Final = len(_KIND) - 1
_SERVER_EXPLOIT: Final = 12


def advance(state: State) -> State:
    """Move every B_line agent to the stage that it plays now."""
    b_line = state.b_line
    jump = b_line.stage.new_tensor(_JUMP)
    stage = torch.where(state.success, (b_line.stage + 1).clamp(max=_LAST), jump[b_line.stage])
    # Coming to the server's exploit for the first time with an empty scan: back to the entry.
    lost = (stage == _SERVER_EXPLOIT) & ~b_line.at_server & state.empty_scan
    stage = torch.where(lost, 1, stage)
    at_server = b_line.at_server | (stage == _SERVER_EXPLOIT)
    return state._replace(b_line=b_line._replace(stage=stage, at_server=at_server))


def options(tables: Tables, state: State) -> tuple[torch.Tensor, torch.Tensor]:
    """The kind of the next action and the set of its targets, one of which is drawn uniformly.

    Returns:
        ``(B,)`` int32 kinds, and ``(B,)`` sets of subnets (for SWEEP) or hosts.
    """
    b_line = state.b_line
    fixed = b_line.stage.new_tensor(
        [
            *(1 << tables.sweeps[0], 0, 0, 0, 0, 0, 0),
            *(1 << tables.sweeps[1], tables.pivot, tables.pivot, tables.pivot),
            *(tables.server,) * 4,
        ]
    )[b_line.stage]
    entry = torch.where(b_line.entry == 0, tables.entries, b_line.entry)
    at_entry = (b_line.stage >= 1) & (b_line.stage <= 3)
    at_follow = (b_line.stage >= 4) & (b_line.stage <= 6)
    targets = torch.where(at_entry, entry, torch.where(at_follow, b_line.follow, fixed))
    return b_line.stage.new_tensor(_KIND)[b_line.stage], targets


def remember(tables: Tables, state: State, action: RedAction) -> State:
    """Keep the entry that was drawn, and the host that it leads to."""
    b_line = state.b_line
    drawn = (state.red == B_LINE) & (b_line.stage == 1) & (b_line.entry == 0)
    entry = torch.where(drawn, bit(action.target), b_line.entry)
    follow = torch.where(drawn, tables.reveals[action.target.clamp(min=0)], b_line.follow)
    return state._replace(b_line=b_line._replace(entry=entry, follow=follow))
