"""The B_line red agent: a fixed way to the server in 15 stages, with steps back on failure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from training.cage2.bits import DTYPE, bit, look
from training.cage2.codes import B_LINE, ESCALATE, EXPLOIT, IMPACT, SCAN, SWEEP

if TYPE_CHECKING:
    from training.cage2.state import RedAction, State
    from training.cage2.tables import Tables

_HOST: Final = (SCAN, EXPLOIT, ESCALATE)
# Entry, the host that it reveals, pivot, server.
_KINDS: Final = (SWEEP, *_HOST, *_HOST, SWEEP, *_HOST, *_HOST, IMPACT)
# Where a failure at each stage leads.
_JUMPS: Final = (0, 1, 2, 2, 2, 2, 5, 5, 5, 5, 9, 9, 9, 12, 13)
_LAST: Final = len(_KINDS) - 1
_SERVER_EXPLOIT: Final = 12


@dataclass(frozen=True)
class Script:
    """The 15 stages as tables ``(15,)`` int32."""

    kinds: torch.Tensor
    jumps: torch.Tensor
    fixed: torch.Tensor  # set of the subnet or host acted on, empty where it is not fixed
    at_entry: torch.Tensor  # -1 where the entry is acted on, else 0
    at_follow: torch.Tensor  # -1 where the host that the entry reveals is acted on, else 0

    @classmethod
    def make(cls, home: int, outer: int, pivot: int, server: int, device: torch.device) -> Script:
        """The script for the sets of one subnet (home, outer) and of one host (pivot, server)."""

        def tensor(values: Iterable[int]) -> torch.Tensor:
            return torch.tensor(list(values), dtype=DTYPE, device=device)

        stages = range(len(_KINDS))
        return cls(
            kinds=tensor(_KINDS),
            jumps=tensor(_JUMPS),
            fixed=tensor([home, *[0] * 6, outer, *[pivot] * 3, *[server] * 4]),
            at_entry=tensor(-(1 <= stage <= 3) for stage in stages),
            at_follow=tensor(-(4 <= stage <= 6) for stage in stages),
        )


def advance(tables: Tables, state: State) -> State:
    """Move every B_line agent to the stage that it plays now."""
    b_line = state.b_line
    onward = (b_line.stage + 1).clamp(max=_LAST)
    stage = torch.where(state.success, onward, look(tables.script.jumps, b_line.stage))
    # At the server's exploit for the first time, the scan before found nothing: to the entry.
    lost = (stage == _SERVER_EXPLOIT) & ~b_line.at_server & state.empty_scan
    stage = torch.where(lost, 1, stage)
    at_server = b_line.at_server | (stage == _SERVER_EXPLOIT)
    return state._replace(b_line=b_line._replace(stage=stage, at_server=at_server))


def options(tables: Tables, state: State) -> tuple[torch.Tensor, torch.Tensor]:
    """The kind of the next action and the set of its targets, one of which is drawn uniformly.

    Returns:
        ``(B,)`` int32 kinds, and ``(B,)`` sets of subnets (for SWEEP) or hosts.
    """
    b_line, script = state.b_line, tables.script
    entry = torch.where(b_line.entry == 0, tables.entries, b_line.entry)
    targets = (
        look(script.fixed, b_line.stage)
        | look(script.at_entry, b_line.stage) & entry
        | look(script.at_follow, b_line.stage) & b_line.follow
    )
    return look(script.kinds, b_line.stage), targets


def remember(tables: Tables, state: State, action: RedAction) -> State:
    """Keep the entry that was drawn, and the host that it leads to."""
    b_line = state.b_line
    drawn = (state.red == B_LINE) & (b_line.stage == 1) & (b_line.entry == 0)
    follow = look(tables.reveals, action.target.clamp(min=0, max=tables.hosts - 1))
    return state._replace(
        b_line=b_line._replace(
            entry=torch.where(drawn, bit(action.target), b_line.entry),
            follow=torch.where(drawn, follow, b_line.follow),
        )
    )
