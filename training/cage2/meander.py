"""The Meander red agent: scan everything known, then attack everything known, anywhere."""

from __future__ import annotations

import torch

from training.cage2.bits import bit, lowest, only
from training.cage2.codes import ESCALATE, EXPLOIT, IMPACT, MEANDER, SCAN, SLEEP, SWEEP
from training.cage2.state import RedAction, State
from training.cage2.tables import Tables


def reconsider(tables: Tables, state: State) -> State:
    """Draw the conclusions from the last action's success before choosing anew."""
    memory = state.meander
    pending, check = memory.pending_exploit, memory.pending_check
    failed = ~state.success
    exploited = memory.exploited & ~only(failed, pending)
    mapped = memory.mapped | only(state.success, pending)
    # A failed exploit makes it doubt its hold on the inner hosts, or else on the gateways to them.
    inner = memory.escalated & tables.inner
    doubted = torch.where(inner.bool(), inner, memory.escalated & tables.outer)
    doubted = only(failed & (pending.bool()), doubted)
    lost = only(failed, check)
    return state._replace(
        meander=memory._replace(
            exploited=exploited & ~doubted & ~(lost & mapped),
            escalated=memory.escalated & ~doubted & ~lost,
            mapped=mapped,
            pending_exploit=torch.zeros_like(pending),
            pending_check=torch.zeros_like(check),
        )
    )


def options(tables: Tables, state: State) -> tuple[torch.Tensor, torch.Tensor]:
    """The kind of the next action and the set of its targets, one of which is drawn uniformly.

    Returns:
        ``(B,)`` int32 kinds, and ``(B,)`` sets of subnets (for SWEEP) or hosts.
    """
    memory = state.meander
    kind = torch.full_like(state.red, SLEEP)
    targets = torch.zeros_like(kind)
    # The first rule that applies wins, so the last one is laid down first.
    for rule, found in (
        (EXPLOIT, memory.addresses & ~memory.exploited),
        (ESCALATE, memory.names & ~memory.escalated & ~(memory.mapped & ~memory.exploited)),
        (SCAN, memory.addresses & ~memory.scanned),
        (SWEEP, lowest(memory.known_subnets & ~memory.swept_subnets)),
        (IMPACT, memory.escalated & tables.server),
    ):
        applies = found.bool()
        kind = torch.where(applies, rule, kind)
        targets = torch.where(applies, found, targets)
    return kind, targets


def remember(state: State, action: RedAction) -> State:
    """Mark the chosen action as done, whatever comes of it."""
    memory = state.meander
    here = only(state.red == MEANDER, bit(action.target))
    exploit = only(action.kind == EXPLOIT, here)
    escalate = only(action.kind == ESCALATE, here)
    return state._replace(
        meander=memory._replace(
            exploited=memory.exploited | exploit,
            escalated=memory.escalated | escalate,
            scanned=memory.scanned | only(action.kind == SCAN, here),
            swept_subnets=memory.swept_subnets | only(action.kind == SWEEP, here),
            pending_exploit=exploit,
            pending_check=escalate | only(action.kind == IMPACT, here),
        )
    )
