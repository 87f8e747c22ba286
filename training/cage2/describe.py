"""What a defender knows of one network, in words and without names.

Hosts are called host1, host2, … by their distance to the operational server, nearest first, so that
nothing can be concluded from what somebody called a machine.
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

_ACTIVITY: Final = ("quiet", "scanned", "exploited")
# By the observation's two bits, first bit lowest: No, Unknown, User, Privileged.
_VERDICT: Final = ("clean", "unknown", "user access", "full control")
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


@dataclass(frozen=True, slots=True)
class _Words:
    """What is always said of one network."""

    labels: tuple[str, ...]
    actions: tuple[str, ...]
    hosts: tuple[_HostWords, ...]
    order: tuple[int, ...]  # of the hosts, nearest to the server first
    decoys: dict[str, str]  # what lines call them


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
    did = "none yet" if last_action is None else words.actions[last_action]
    lines = [f"step {step} of {horizon}; last action: {did}"]
    for i in words.order:
        view, name = hosts[i], words.hosts[i]
        facts.update(name.fixed)
        facts[name.activity], facts[name.verdict] = float(view.activity), float(view.verdict)
        for decoy in view.free:
            facts[name.decoys[decoy]] = 0.0
        for decoy in view.decoys:  # last: one that runs and fits again does run
            facts[name.decoys[decoy]] = 1.0
        decoys = ", ".join(words.decoys[decoy] for decoy in view.decoys) or "none"
        verdict, activity = _VERDICT[view.verdict], _ACTIVITY[view.activity]
        lines.append(f"{name.begin}{activity}; believed {verdict}; decoys: {decoys}")
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
    decoys = {decoy.name: _verb(decoy.name) for decoy in scenario.catalogue.decoys}
    return _Words(
        labels=labels,
        actions=("sleep", "monitor", *(f"{verb} {label}" for verb in verbs for label in labels)),
        hosts=tuple(
            _host_words(label, distance, host.weight, list(decoys))
            for label, distance, host in zip(labels, distances, scenario.hosts, strict=True)
        ),
        order=tuple(order),
        decoys={name: verb.removeprefix("decoy ") for name, verb in decoys.items()},
    )


def _host_words(label: str, distance: int, cost: float, decoys: list[str]) -> _HostWords:
    where = "runs the service" if distance == 0 else f"{distance} hop{'s' * (distance > 1)} away"
    return _HostWords(
        fixed={f"{label}.distance": float(distance), f"{label}.cost": cost},
        activity=f"{label}.activity",
        verdict=f"{label}.verdict",
        decoys={decoy: f"{label}.{decoy}" for decoy in decoys},
        begin=f"{label} ({where}): ",
    )


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
