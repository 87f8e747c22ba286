"""One step of a batch of networks, in the official order: blue, red, reward, monitoring."""

from __future__ import annotations

from typing import Final

import torch

from training.cage2 import b_line, blue, meander, monitor, red
from training.cage2.bits import DTYPE, draw, weigh
from training.cage2.codes import B_LINE, EXPLOIT, SLEEP_RED
from training.cage2.state import Outcome, RedAction, State
from training.cage2.tables import Tables

# Numbers drawn for each environment and step: red's target, its exploit, the detection.
CHANCES: Final = 3
_SERVICE_TENTHS: Final = 100  # a step with the service down
_RESTORE_TENTHS: Final = 10


def prepare(tables: Tables, state: State) -> tuple[State, torch.Tensor, torch.Tensor]:
    """Red's conclusions from its last action, and what it may do next.

    Returns:
        The state, ``(B,)`` int32 kinds of red's action, and ``(B,)`` sets of its possible targets
        (subnets for SWEEP, else hosts), one of which is drawn uniformly; empty for SLEEP.
    """
    state = meander.reconsider(tables, b_line.advance(tables, state))
    direct_kind, direct_targets = b_line.options(tables, state)
    kind, targets = meander.options(tables, state)
    direct, awake = state.red == B_LINE, state.red != SLEEP_RED
    kind = torch.where(direct, direct_kind, kind) * awake
    targets = torch.where(direct, direct_targets, targets) * awake
    return state, kind, targets


def choose(
    tables: Tables, state: State, kind: torch.Tensor, targets: torch.Tensor, chance: torch.Tensor
) -> RedAction:
    """Draw red's action from ``chance`` ``(3, B)``, uniform in [0, 1)."""
    target = draw(targets, chance[0], tables.counts, tables.nth)
    exploit = red.choose_exploit(tables, state, target, chance[1])
    exploit = torch.where(kind == EXPLOIT, exploit, -1)
    return RedAction(kind, target, exploit, chance[2] < red.DETECTION)


def apply(
    tables: Tables, state: State, action: torch.Tensor, attack: RedAction
) -> tuple[State, Outcome]:
    """Carry out blue's action ``(B,)`` and red's; nothing in here is random."""
    state = b_line.remember(tables, meander.remember(state, attack), attack)
    command = blue.parse(tables, action)
    found = command.analysed & state.malware
    state, placed = blue.act(tables, state, command)
    state, events = red.act(tables, state, attack)
    view = monitor.watch(tables, state, command, events, placed, found)
    succeeded = (command.decoy < 0) | placed.bool()
    reward = _reward(tables, state, command)
    return state._replace(view=view), Outcome(reward, succeeded, attack.kind, attack.target)


def advance(
    tables: Tables, state: State, action: torch.Tensor, chance: torch.Tensor
) -> tuple[State, Outcome]:
    """One step with red's choices drawn from ``chance`` ``(3, B)``, uniform in [0, 1)."""
    state, kind, targets = prepare(tables, state)
    return apply(tables, state, action, choose(tables, state, kind, targets, chance))


def _reward(tables: Tables, state: State, command: blue.Command) -> torch.Tensor:
    """``(B,)`` float32; counted in tenths, so that it is exact to the decimal."""
    harm = weigh(state.privileged, tables.tenths)
    down, restored = (~state.service_up).to(DTYPE), command.restored.bool().to(DTYPE)
    return -(harm + down * _SERVICE_TENTHS + restored * _RESTORE_TENTHS) / 10
