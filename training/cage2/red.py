"""What red's actions do to the network, and which exploit an attack uses."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch

from training.cage2.bits import DTYPE, bit, get, look, only, overlap, put
from training.cage2.codes import (
    ESCALATE,
    EXPLOIT,
    IMPACT,
    NOTHING,
    ROOT,
    SCAN,
    SWEEP,
    USER,
)
from training.cage2.state import RedAction, State
from training.cage2.tables import Tables

BEST: Final = 0.75  # probability of the heaviest of several exploits
DETECTION: Final = 0.95  # probability that blue's monitoring notices a successful exploit


class Events(NamedTuple):
    """What red's action showed: ``(B,)`` sets of the one host concerned, or empty."""

    scan: torch.Tensor
    exploit: torch.Tensor  # a noticed exploit, or a brute force
    traffic: torch.Tensor  # an exploit that shows as mere traffic: unnoticed, or ineffective
    trapped: torch.Tensor  # an exploit that met a decoy


def usable(tables: Tables, state: State, target: torch.Tensor) -> torch.Tensor:
    """``(B,)`` sets of exploits whose ports red remembers, numbered from the heaviest."""
    known = get(state.known_ports, _host(tables, target))
    return look(tables.exploits.usable, known)


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
    others = look(tables.counts, can) - 1
    # The part of the draw above 0.75 is itself uniform: it chooses among the others.
    other = 1 + ((chance - BEST) / (1 - BEST) * others).to(DTYPE)
    place = torch.where((chance < BEST) | (others < 1), 0, other)
    chosen = look(tables.exploits.by_weight, look(tables.nth, 8 * can + place))
    return torch.where(others >= 0, chosen, -1)


def listening(tables: Tables, state: State, host: torch.Tensor) -> torch.Tensor:
    """``(B,)`` sets of ports open on a host, by a genuine service or a decoy."""
    services = tables.services
    return look(services.genuine, host) | look(services.opened, get(state.decoys, host))


def act(tables: Tables, state: State, action: RedAction) -> tuple[State, Events]:
    """The state after red's actions, and what they showed."""
    holds = state.privileged | state.removable | state.unremovable
    reachable = _reachable(tables, holds)
    host = only(action.kind != SWEEP, bit(action.target))
    scan = only(action.kind == SCAN, host & reachable)
    state, exploited, events = _exploit(tables, state, action, host & reachable)
    escalated = only(action.kind == ESCALATE, host & holds)
    impacted = only((action.kind == IMPACT) & state.knows_service, host & holds)
    swept = _swept(tables, action, reachable)
    state = _learn(tables, state, action, exploited, escalated, swept)
    return state._replace(
        malware=state.malware | escalated & ~state.privileged,
        privileged=state.privileged | escalated,
        scanned=state.scanned | scan,
        known_ports=_scan(tables, state, action, scan),
        service_up=state.service_up & ~(impacted.bool() & state.stoppable),
        knows_service=state.knows_service | overlap(escalated, tables.server),
        success=(exploited | escalated | impacted | swept).bool() | (action.kind == SCAN),
        empty_scan=(action.kind == SCAN) & (scan == 0),
    ), events._replace(scan=scan)


def _host(tables: Tables, target: torch.Tensor) -> torch.Tensor:
    """A host index to look up by, also where the target is none, or a subnet."""
    return target.clamp(min=0, max=tables.hosts - 1)


def _reachable(tables: Tables, holds: torch.Tensor) -> torch.Tensor:
    """``(B,)`` sets of hosts that red's network actions reach."""
    closed = torch.zeros_like(holds)
    for inside, outside in tables.behind:
        closed = torch.where(overlap(holds, outside), closed, closed | inside)
    return ~closed


def _swept(tables: Tables, action: RedAction, reachable: torch.Tensor) -> torch.Tensor:
    """``(B,)`` sets of hosts that a sweep of their subnet finds."""
    subnet = action.target.clamp(min=0, max=tables.num_subnets - 1)
    return only(action.kind == SWEEP, look(tables.subnets, subnet) & reachable)


def _scan(tables: Tables, state: State, action: RedAction, scan: torch.Tensor) -> torch.Tensor:
    """Red's memory of ports ``(H, B)`` after scans of the hosts in ``scan`` ``(B,)``."""
    host = _host(tables, action.target)
    known, found = get(state.known_ports, host), listening(tables, state, host)
    # On the leader board's environment a scan adds to what red knows; now it replaces it.
    after = known | found if tables.lb else found
    return put(state.known_ports, host, torch.where(scan.bool(), after, known))


def _exploit(
    tables: Tables, state: State, action: RedAction, reached: torch.Tensor
) -> tuple[State, torch.Tensor, Events]:
    """The state, the ``(B,)`` sets of hosts exploited with success, and what showed."""
    exploits, host = tables.exploits, _host(tables, action.target)
    attacked = only((action.kind == EXPLOIT) & (action.exploit >= 0), reached)
    exploit = action.exploit.clamp(min=0)
    effect = look(exploits.effect, exploit * tables.hosts + host)
    brute = look(exploits.brute_force, exploit)
    genuine = effect != NOTHING
    crashed = only(look(exploits.crashes, exploit) & genuine, attacked & state.restored)
    trap = overlap(get(state.decoys, host), look(exploits.traps, exploit))
    trapped = only(trap & ~genuine, attacked)
    root = only(effect == ROOT, attacked & ~crashed)
    user = only(effect == USER, attacked & ~crashed)
    session, fresh = root | user, user & ~state.privileged
    removable = action.detected & ~brute
    state = state._replace(
        privileged=state.privileged | root,
        removable=state.removable | only(removable, fresh),
        unremovable=state.unremovable | only(~removable, fresh),
        malware=state.malware | only(~brute, session),
    )
    # A brute force shows against a service that repels it, and against a decoy.
    brute_met = only(brute & genuine, attacked) | only(brute, trapped)
    seen = action.detected & ~brute
    events = Events(
        scan=torch.zeros_like(attacked),
        exploit=only(seen, session) | brute_met,
        traffic=only(~seen & ~brute, session) | crashed,
        trapped=only(~brute, trapped),
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
    memory, host = state.meander, _host(tables, action.target)
    inside = escalated.bool()
    shown = escalated | only(inside, look(tables.reveals, host)) | swept
    subnet = only(inside, look(tables.subnet_of, host))
    return state._replace(
        meander=memory._replace(
            names=memory.names | exploited,
            addresses=memory.addresses | shown,
            known_subnets=memory.known_subnets | subnet,
        )
    )
