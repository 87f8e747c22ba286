"""What red's actions do to the network, and which exploit an attack uses."""

from __future__ import annotations

from functools import reduce
from operator import and_, or_
from typing import Final, NamedTuple

import torch

from training.cage2.bits import DTYPE, bit, keep_if, overlap
from training.cage2.blue import opened
from training.cage2.state import ESCALATE, EXPLOIT, IMPACT, SCAN, SWEEP, RedAction, State
from training.cage2.tables import NOTHING, ROOT, USER, Tables

BEST: Final = 0.75  # probability of the heaviest of several exploits
DETECTION: Final = 0.95  # probability that blue's monitoring notices a successful exploit


class Events(NamedTuple):
    """What red's action showed: ``(B,)`` sets of the one host concerned, or empty."""

    scan: torch.Tensor
    exploit: torch.Tensor  # a noticed exploit, or a brute force
    traffic: torch.Tensor  # an exploit that shows as mere traffic: unnoticed, or ineffective
    trapped: torch.Tensor  # an exploit that met a decoy


def usable(tables: Tables, state: State, target: torch.Tensor) -> torch.Tensor:
    """``(E, B)`` bool, heaviest first: exploits whose ports red remembers on the target."""
    known = overlap(state.known_ports, bit(target))
    return torch.stack(
        [
            reduce(and_, (reduce(or_, (known[row] for row in ports)) for ports in needs))
            for needs in tables.needs
        ]
    )


def choose_exploit(
    tables: Tables, state: State, target: torch.Tensor, chance: torch.Tensor
) -> torch.Tensor:
    """The heaviest usable exploit with probability 0.75, else one of the others uniformly.

    Args:
        tables: the scenario's constants.
        state: before red acts.
        target: ``(B,)`` hosts.
        chance: ``(B,)`` uniform in [0, 1), float32.

    Returns:
        ``(B,)`` int32, -1 where none is usable.
    """
    can = usable(tables, state, target)
    rank = can.cumsum(0, dtype=DTYPE)
    others = rank[-1] - 1
    other = 2 + ((chance - BEST) / (1 - BEST) * others).to(DTYPE)
    place = torch.where((chance < BEST) | (others < 1), 1, other)
    return ((tables.by_weight[:, None] + 1) * (can & (rank == place))).sum(0, dtype=DTYPE) - 1


def listening(tables: Tables, state: State) -> torch.Tensor:
    """``(P, B)`` sets of hosts where a port is open, by a genuine service or a decoy."""
    return tables.genuine | opened(tables, state.decoys)


def act(tables: Tables, state: State, action: RedAction) -> tuple[State, Events]:
    """The state after red's actions, and what they showed."""
    holds = state.privileged | state.removable | state.unremovable
    host = keep_if(action.kind != SWEEP, bit(action.target))
    reachable = _reachable(tables, holds)
    reached = host & reachable
    scan = keep_if(action.kind == SCAN, reached)
    state, exploited, events = _exploit(tables, state, action, reached)
    escalated = keep_if(action.kind == ESCALATE, host & holds)
    impacted = overlap(keep_if(action.kind == IMPACT, host & holds), -1) & state.knows_service
    swept = _swept(tables, action, reachable)
    state = _learn(tables, state, action, exploited, escalated, swept)
    return state._replace(
        malware=state.malware | escalated & ~state.privileged,
        privileged=state.privileged | escalated,
        known_ports=_scan(tables, state, scan),
        scanned=state.scanned | scan,
        service_up=state.service_up & ~(impacted & state.stoppable),
        knows_service=state.knows_service | overlap(escalated, tables.server),
        success=impacted | (action.kind == SCAN) | ((exploited | escalated | swept) != 0),
        empty_scan=(action.kind == SCAN) & (scan == 0),
    ), events._replace(scan=scan)


def _reachable(tables: Tables, holds: torch.Tensor) -> torch.Tensor:
    """``(B,)`` sets of hosts that red's network actions reach."""
    closed = torch.zeros_like(holds)
    for inside, outside in tables.behind:
        closed = closed | inside * ~overlap(holds, outside)
    return ~closed


def _swept(tables: Tables, action: RedAction, reachable: torch.Tensor) -> torch.Tensor:
    """``(B,)`` sets of hosts that a sweep of their subnet finds."""
    subnet = action.target.clamp(min=0, max=len(tables.subnets) - 1)
    return keep_if(action.kind == SWEEP, tables.subnets[subnet] & reachable)


def _scan(tables: Tables, state: State, scan: torch.Tensor) -> torch.Tensor:
    """Red's memory of ports ``(P, B)`` after scans of the hosts in ``scan`` ``(B,)``."""
    # On the leader board's environment a scan adds to what red knows; now it replaces it.
    kept = state.known_ports if tables.lb else state.known_ports & ~scan
    return kept | listening(tables, state) & scan


def _exploit(
    tables: Tables, state: State, action: RedAction, reached: torch.Tensor
) -> tuple[State, torch.Tensor, Events]:
    """The state, the ``(B,)`` sets of hosts exploited with success, and what showed."""
    attacked = keep_if((action.kind == EXPLOIT) & (action.exploit >= 0), reached)
    exploit = action.exploit.clamp(min=0)
    effect = tables.effect[exploit * tables.hosts + action.target.clamp(min=0)]
    crashed = keep_if(tables.crashes[exploit] & (effect != NOTHING), attacked & state.restored)
    met = ((state.decoys & attacked) != 0) & (tables.traps == exploit)
    trapped = keep_if((effect == NOTHING) & met.any(0), attacked)
    root = keep_if(effect == ROOT, attacked & ~crashed)
    user = keep_if(effect == USER, attacked & ~crashed)
    session = root | user
    brute = tables.brute_force[exploit]
    seen = action.detected | brute
    fresh = user & ~state.privileged
    removable = action.detected & ~brute
    state = state._replace(
        privileged=state.privileged | root,
        removable=state.removable | keep_if(removable, fresh),
        unremovable=state.unremovable | keep_if(~removable, fresh),
        malware=state.malware | keep_if(~brute, session),
    )
    # A brute force fails visibly against a service that repels it, and against a decoy.
    repelled = keep_if(brute, attacked & ~keep_if(effect == NOTHING, attacked) | trapped)
    events = Events(
        scan=torch.zeros_like(attacked),
        exploit=keep_if(seen, session) | repelled,
        traffic=keep_if(~seen, session) | crashed,
        trapped=keep_if(~brute, trapped),
    )
    return state, session, events


def _learn(
    tables: Tables,
    state: State,
    action: RedAction,
    exploited: torch.Tensor,
    escalated: torch.Tensor,
    swept: torch.Tensor,
) -> State:
    """What successes teach Meander: names by exploits, addresses by escalations and sweeps."""
    memory = state.meander
    target = action.target.clamp(min=0)
    inside = escalated != 0
    shown = escalated | keep_if(inside, tables.reveals[target]) | swept
    return state._replace(
        meander=memory._replace(
            names=memory.names | exploited,
            addresses=memory.addresses | shown,
            known_subnets=memory.known_subnets | keep_if(inside, tables.subnet_of[target]),
        )
    )
