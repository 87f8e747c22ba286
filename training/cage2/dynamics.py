"""One step of a batch of networks, in the official order: blue, red, reward, monitoring."""

from __future__ import annotations

import torch

from training.cage2 import b_line, blue, meander, monitor, red
from training.cage2.bits import draw, members
from training.cage2.state import B_LINE, MEANDER, SLEEP, RedAction, State, Step
from training.cage2.tables import Tables

# Numbers drawn for each environment and step: red's target, its exploit, the detection.
CHANCES = 3
_SERVICE_TENTHS = 100  # a step with the service down
_RESTORE_TENTHS = 10


def prepare(tables: Tables, state: State) -> tuple[State, torch.Tensor, torch.Tensor]:
    """Red's conclusions from its last action, and what it may do next.

    Returns:
        The state, ``(B,)`` int32 kinds of red's action, and ``(B,)`` sets of its possible targets
        (subnets for SWEEP, else hosts), one of which is drawn uniformly; empty for SLEEP.
    """
    advanced, considered = b_line.advance(state), meander.reconsider(tables, state)
    state = state._replace(b_line=advanced.b_line, meander=considered.meander)
    direct_kind, direct_targets = b_line.options(tables, state)
    kind, targets = meander.options(tables, state)
    direct, asleep = state.red == B_LINE, state.red < B_LINE
    kind = torch.where(direct, direct_kind, kind)
    targets = torch.where(direct, direct_targets, targets)
    return state, kind * ~asleep, targets * ~asleep


def choose(
    tables: Tables, state: State, kind: torch.Tensor, targets: torch.Tensor, chance: torch.Tensor
) -> RedAction:
    """Draw red's action from ``chance`` ``(3, B)``, uniform in [0, 1)."""
    target = draw(targets, chance[0], tables.hosts)
    attacks = kind == red.EXPLOIT
    exploit = red.choose_exploit(tables, state, target, chance[1])
    return RedAction(kind, target, torch.where(attacks, exploit, -1), chance[2] < red.DETECTION)


def apply(
    tables: Tables, state: State, action: torch.Tensor, attack: RedAction
) -> tuple[State, Step]:
    """Carry out blue's action ``(B,)`` and red's; nothing in here is random."""
    state = b_line.remember(tables, meander.remember(state, attack), attack)
    command = blue.parse(tables, action)
    found = command.analyse * command.host & state.malware
    state, placed = blue.act(tables, state, command)
    state, events = red.act(tables, state, attack)
    seen = monitor.activity(tables, state, events, placed, attack.target)
    state = state._replace(verdict=monitor.verdict(state, command, seen, found))
    succeeded = (placed != 0) | (command.kind < blue.FIRST_DECOY) | command.restore
    return state, Step(seen, _reward(tables, state, command), succeeded, attack)


def advance(
    tables: Tables, state: State, action: torch.Tensor, chance: torch.Tensor
) -> tuple[State, Step]:
    """One step with red's choices drawn from ``chance`` ``(3, B)``."""
    state, kind, targets = prepare(tables, state)
    return apply(tables, state, action, choose(tables, state, kind, targets, chance))


def _reward(tables: Tables, state: State, command: blue.BlueAction) -> torch.Tensor:
    """``(B,)`` float32; counted in tenths, so that it is exact to the decimal."""
    harm = (members(state.privileged, tables.hosts) * tables.tenths).sum(0, dtype=torch.int32)
    down = ~state.service_up * _SERVICE_TENTHS
    return -(harm + down + command.restore * _RESTORE_TENTHS) / 10
