"""What a defender knows of one network, in words and without names.

Hosts are called host1, host2, … by their distance to the operational server, nearest first, so that
nothing can be concluded from what somebody called a machine. A host's line is its label and what is
said of it, a word each, in the language of the written playbook (`training.teacher.playbook`):

- what it is worth: ``core`` (it runs the service), ``vital`` (it must not be lost for a single
  step), ``cheap``, or ``spare`` (it costs nothing); ``outer`` besides, if no vital host is farther
  from the server: attackers come there first;
- what was seen there in the last step: ``scanned``, ``exploited``; nothing if it was quiet;
- what is believed of it: ``doubtful``, ``accessed`` (with a user's rights), ``alarmed`` (likewise,
  but a decoy was placed there by the last action, and who touches one that is starting is reported
  as if the attack had worked), ``controlled``; nothing if it is believed clean;
- ``costly``, if it is cheap and an attacker in control would still cost several restores;
- its decoys: ``bare`` (none runs, and one could), ``open`` (another one could).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from typing import Final, Generic, TypeVar

import torch

from training.cage2 import blue
from training.cage2.bits import BYTE, DTYPE, members
from training.cage2.scenario import Scenario
from training.cage2.tables import Tables
from training.teacher.teacher import StateText

T = TypeVar("T")

_ACTIVITY: Final = ("", " scanned", " exploited")
# By the observation's two bits, first bit lowest: No, Unknown, User, Privileged.
_VERDICT: Final = ("", " doubtful", " accessed", " controlled")
_ACCESSED: Final = 2
_CONTROLLED: Final = 3
_VITAL: Final = 0.4  # cost of a step from which a host is vital
_COSTLY: Final = 3.5  # cost until the end from which a restore, which costs 1, is sure to pay
WORTH: Final = ("core", "vital", "outer", "cheap", "spare")
"""What hosts are worth, most first."""
WORDS: Final = frozenset(
    {
        *WORTH,
        *("scanned", "exploited"),
        *("doubtful", "accessed", "alarmed", "controlled", "costly"),
        *("bare", "open"),
        *("unchecked", "restored"),
    }
)
"""All that is ever said of hosts; the last two words are a memory's (`training.cage2.memory`)."""
_NETWORKS: Final = 64  # whose words are kept


@dataclass(frozen=True, slots=True)
class HostView:
    """What the defender knows of one host."""

    activity: int  # 0 none, 1 scan, 2 exploit
    verdict: int  # 0 No, 1 Unknown, 2 User, 3 Privileged
    decoys: tuple[str, ...]  # running
    free: tuple[str, ...]  # decoys that could be placed


class _Only(Generic[T]):
    """A key that stands for one object: scenarios and tables cannot be hashed by value."""

    def __init__(self, it: T) -> None:
        self.it = it

    def __hash__(self) -> int:
        return id(self.it)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Only) and self.it is other.it


@dataclass(frozen=True, slots=True)
class _HostWords:
    """What is always said of one host."""

    fixed: dict[str, float]  # facts that never change
    activity: str  # a fact's name, as are the next two
    verdict: str
    decoys: dict[str, str]  # by the decoy's name
    begin: str  # of its line
    cost: float  # of a step, if it is cheap
    placing: frozenset[int]  # actions that place a decoy there


@dataclass(frozen=True, slots=True)
class _Words:
    """What is always said of one network."""

    labels: tuple[str, ...]
    actions: tuple[str, ...]
    hosts: tuple[_HostWords, ...]
    order: tuple[int, ...]  # of the hosts, nearest to the server first


def host_views(
    scenario: Scenario, tables: Tables, bits: torch.Tensor, decoys: torch.Tensor
) -> list[HostView]:
    """Views in the scenario's order.

    Args:
        scenario: the network.
        tables: its constants, on the tensors' device.
        bits: ``(H, 4)`` of the observation.
        decoys: ``(H,)`` sets of the decoys that run.
    """
    names, free = _decoys(_Only(scenario), _Only(tables))
    rows = zip(bits.int().tolist(), decoys.int().tolist(), free, strict=True)
    return [
        HostView(
            activity=active + exploited,
            verdict=suspected + 2 * confirmed,
            decoys=names[running],
            free=places[running],
        )
        for (active, exploited, suspected, confirmed), running, places in rows
    ]


def describe(
    scenario: Scenario, hosts: list[HostView], step: int, horizon: int, last_action: int | None
) -> StateText:
    """The record of one environment.

    Facts: ``step``, ``horizon``, ``last_action`` (index; -1 for none), and for every ``hostN``
    ``.distance`` (hops to the server), ``.cost`` (reward lost a step with red in full control),
    ``.activity`` and ``.verdict`` (as in :class:`HostView`), and for each decoy that runs or fits
    there ``.DecoyName``: 1 if it runs, 0 if it could be placed.

    Args:
        scenario: the network.
        hosts: one view a host, in the scenario's order.
        step: steps taken in this episode.
        horizon: steps of an episode.
        last_action: the action before, if there was one in this episode.
    """
    words = _words(_Only(scenario))
    facts = {
        "step": float(step),
        "horizon": float(horizon),
        "last_action": -1.0 if last_action is None else float(last_action),
    }
    lines = []
    for i in words.order:
        view, name = hosts[i], words.hosts[i]
        facts.update(name.fixed)
        facts[name.activity], facts[name.verdict] = float(view.activity), float(view.verdict)
        for decoy in view.free:
            facts[name.decoys[decoy]] = 0.0
        for decoy in view.decoys:  # last: one that runs and fits again does run
            facts[name.decoys[decoy]] = 1.0
        alarmed = view.verdict == _ACCESSED and view.activity == 2 and last_action in name.placing
        costly = view.verdict == _CONTROLLED and name.cost * (horizon - step) >= _COSTLY
        parts = (
            name.begin,
            _ACTIVITY[view.activity],
            " alarmed" if alarmed else _VERDICT[view.verdict],
            " costly" * costly,
            (" open" if view.decoys else " bare") * bool({*view.free} - {*view.decoys}),
        )
        lines.append("".join(parts))
    return StateText(facts, tuple(lines), words.actions)


def host_labels(scenario: Scenario) -> tuple[str, ...]:
    """``hostN`` for each host: N counts from 1, nearest to the server first."""
    return _words(_Only(scenario)).labels


def action_labels(scenario: Scenario) -> tuple[str, ...]:
    """What each action is called, in the order of a policy's outputs."""
    return _words(_Only(scenario)).actions


@lru_cache(_NETWORKS)
def _words(network: _Only[Scenario]) -> _Words:
    scenario = network.it
    distances = scenario.distances()
    order = sorted(range(len(distances)), key=lambda i: (distances[i], i))
    labels = tuple(f"host{order.index(i) + 1}" for i in range(len(distances)))
    verbs = [_verb(kind) for kind in scenario.actions]
    actions = ("sleep", "monitor", *(f"{verb} {label}" for verb in verbs for label in labels))
    vital = [
        away for away, host in zip(distances, scenario.hosts, strict=True) if host.weight >= _VITAL
    ]
    outermost = max(vital, default=0)
    return _Words(
        labels=labels,
        actions=actions,
        hosts=tuple(
            _HostWords(
                fixed={f"{label}.distance": float(distance), f"{label}.cost": host.weight},
                activity=f"{label}.activity",
                verdict=f"{label}.verdict",
                decoys={decoy.name: f"{label}.{decoy.name}" for decoy in scenario.catalogue.decoys},
                begin=f"{label} {_worth(distance, host.weight, outermost)}",
                cost=host.weight if distance and host.weight < _VITAL else 0.0,
                placing=frozenset(
                    number
                    for number, action in enumerate(actions)
                    if action.startswith("decoy ") and action.endswith(f" {label}")
                ),
            )
            for label, distance, host in zip(labels, distances, scenario.hosts, strict=True)
        ),
        order=tuple(order),
    )


def _worth(distance: int, cost: float, outermost: int) -> str:
    if distance == 0:
        return "core vital"
    if cost >= _VITAL:
        return "outer vital" if distance == outermost else "vital"
    return "cheap" if cost else "spare"


def _verb(kind: str) -> str:
    decoy = kind.removeprefix("Decoy")
    return kind.lower() if decoy == kind else f"decoy {decoy.lower()}"


@lru_cache(_NETWORKS)
def _decoys(
    network: _Only[Scenario], constants: _Only[Tables]
) -> tuple[list[tuple[str, ...]], list[list[tuple[str, ...]]]]:
    """For each set of decoys that run: their names, and for each host those that could be placed.

    A look-up is several times as fast as asking the batched rules about one environment.
    """
    kinds = [decoy.name for decoy in network.it.catalogue.decoys]
    tables = constants.it
    device = tables.services.fits.device
    asked = torch.arange(tables.hosts * BYTE * len(kinds), dtype=DTYPE, device=device)
    host, running = asked // len(kinds) // BYTE, asked // len(kinds) % BYTE
    fits = blue.placeable(tables, host, running, asked % len(kinds))
    runs = members(torch.arange(BYTE, dtype=DTYPE), len(kinds)).t().tolist()
    free = fits.view(tables.hosts, BYTE, len(kinds)).tolist()
    return (
        [tuple(compress(kinds, here)) for here in runs],
        [[tuple(compress(kinds, here)) for here in sets] for sets in free],
    )
