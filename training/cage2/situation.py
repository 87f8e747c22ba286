"""The facts of CAGE-2 states as columns, so that rules can be written for all hosts at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.errors import PolicyError
from training.teacher.teacher import StateText

Array = NDArray[np.float64]

# How strongly a decoy attracts: attackers try file transfer and mail servers first, then web
# servers, and guess passwords last. Decoys that are not listed are never advised.
ATTRACTION: Final = {
    "DecoyApache": 2.0,
    "DecoyFemitter": 4.0,
    "DecoyHarakaSMPT": 4.0,
    "DecoySmss": 1.5,
    "DecoySSHD": 0.5,
    "DecoySvchost": 1.0,
    "DecoyTomcat": 3.0,
    "DecoyVsftpd": 2.0,
}
_STRONGEST: Final = max(ATTRACTION.values())
_PULLS: Final = np.array(list(ATTRACTION.values()))
_NEVER: Final = np.inf
# Facts of a host, and what is taken where one is missing.
_USUAL: Final = {
    **{"distance": 0.0, "cost": 0.0, "activity": 0.0, "verdict": 0.0},
    **{"scanned_ago": _NEVER, "exploited_ago": _NEVER, "acted_ago": _NEVER, "restored": 0.0},
    **dict.fromkeys(ATTRACTION, -1.0),
}
_NEEDED: Final = ("step", "horizon", "last_action", "host1.distance")


@dataclass(frozen=True)
class Layout:
    """Where a scenario's facts and actions are; ``H`` hosts in the order of ``labels``."""

    labels: tuple[str, ...]
    facts: tuple[tuple[str, float], ...]  # names and what holds without them, host by host
    wait: int  # the action that does nothing
    on_host: tuple[NDArray[np.int64], ...]  # (H,) each: analyse, remove, restore
    decoys: NDArray[np.int64]  # (H, D), -1 where the scenario has no such decoy


@dataclass(frozen=True)
class Situation:
    """What is known in ``n`` states; arrays are ``(n, H)`` unless they say otherwise."""

    remaining: Array  # (n, 1) steps left
    distance: Array  # hops to the server
    cost: Array  # of a step with red in full control
    activity: Array  # 0 none, 1 scan, 2 exploit
    verdict: Array  # 0 clean, 1 unknown, 2 user access, 3 full control
    scanned_ago: Array  # steps; infinite if never or not recalled, as are the next two
    exploited_ago: Array
    acted_ago: Array
    restored: Array  # 1 if ever
    just_analysed: NDArray[np.bool_]  # by the last action
    just_removed: NDArray[np.bool_]
    just_placed: NDArray[np.bool_]  # a decoy
    has_place: NDArray[np.bool_]  # some decoy could be placed
    gain: Array  # what the best decoy that could be placed adds, 1 at most
    choice: Array  # (n, H, D) distribution over the decoys to place; zeros where there is none

    @cached_property
    def vital(self) -> Array:
        """How much a host is one of those that an attacker must not hold for a single step."""
        return np.maximum(ramp(self.cost, 0.2, 0.6), self.distance == 0)

    @cached_property
    def cheap(self) -> Array:
        """How much it is one of the others; what costs nothing is not worth any effort."""
        return (1 - self.vital) * (self.cost > 0)


def ramp(x: Array, none: float, full: float) -> Array:
    """0 up to ``none``, 1 from ``full`` on, linear between."""
    return np.minimum(np.maximum((x - none) / (full - none), 0.0), 1.0)


@lru_cache(64)
def layout_of(actions: tuple[str, ...]) -> Layout:
    """The layout of a scenario, from its actions' labels.

    Raises:
        PolicyError: the labels are not those of a CAGE-2 scenario.
    """
    number = {label: index for index, label in enumerate(actions)}
    labels = tuple(a.removeprefix("restore ") for a in actions if a.startswith("restore "))
    kinds = [f"decoy {name.removeprefix('Decoy').lower()}" for name in ATTRACTION]
    decoys = np.array([[number.get(f"{kind} {at}", -1) for kind in kinds] for at in labels])
    try:
        on_host = tuple(
            np.array([number[f"{verb} {at}"] for at in labels])
            for verb in ("analyse", "remove", "restore")
        )
        wait = number["sleep"]
    except KeyError as error:
        raise PolicyError(f"the playbook is for CAGE-2: there is no action {error}") from None
    return Layout(
        labels=labels,
        facts=tuple((f"{at}.{name}", usual) for at in labels for name, usual in _USUAL.items()),
        wait=wait,
        on_host=on_host,
        decoys=decoys,
    )


def situate(states: Sequence[StateText], layout: Layout) -> Situation:
    """The facts of ``n`` states of one scenario as columns.

    Raises:
        PolicyError: a state lacks the facts that every CAGE-2 state has, or has other actions.
    """
    _check(states)
    rows = [[state.facts.get(name, usual) for name, usual in layout.facts] for state in states]
    facts = np.array(rows).reshape(len(rows), len(layout.labels), -1)
    known = dict(zip(_USUAL, np.moveaxis(facts, 2, 0), strict=True))
    decoys = facts[:, :, -len(ATTRACTION) :]
    runs, free = decoys == 1, decoys == 0
    pulled = (runs * _PULLS).sum(axis=2)
    pull = free * _PULLS
    wanted = pull**2
    last = np.array([[state.facts["last_action"]] for state in states])
    remaining = [[state.facts["horizon"] - state.facts["step"]] for state in states]
    names = ("distance", "cost", "activity", "verdict")
    recalled = ("scanned_ago", "exploited_ago", "acted_ago", "restored")
    return Situation(
        **{name: known[name] for name in (*names, *recalled)},
        remaining=np.array(remaining),
        just_analysed=last == layout.on_host[0],
        just_removed=last == layout.on_host[1],
        just_placed=((last[:, :, None] == layout.decoys) & (last[:, :, None] >= 0)).any(axis=2),
        has_place=free.any(axis=2),
        gain=pull.max(axis=2) / (1 + pulled) / _STRONGEST,
        choice=wanted / np.maximum(wanted.sum(axis=2, keepdims=True), 1e-9),
    )


def _check(states: Sequence[StateText]) -> None:
    for state in states:
        if state.actions != states[0].actions:
            raise PolicyError("a batch of states is of more than one scenario: advise them apart")
        for name in _NEEDED:
            if name not in state.facts:
                raise PolicyError(f"the playbook is for CAGE-2: a state has no fact {name!r}")
