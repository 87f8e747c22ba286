"""What a defender knows of one network, in words and without names.

Hosts are called host1, host2, … by their distance to the operational server, nearest first, so that
nothing can be concluded from what somebody called a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import Final

import torch

from training.cage2 import blue
from training.cage2.bits import DTYPE, members
from training.cage2.scenario import Scenario
from training.cage2.tables import Tables
from training.teacher.teacher import StateText

_ACTIVITY: Final = ("quiet", "scanned", "exploited")
# By the observation's two bits, first bit lowest: No, Unknown, User, Privileged.
_VERDICT: Final = ("clean", "unknown", "user access", "full control")


@dataclass(frozen=True, slots=True)
class HostView:
    """What the defender knows of one host."""

    activity: int  # 0 none, 1 scan, 2 exploit
    verdict: int  # 0 No, 1 Unknown, 2 User, 3 Privileged
    decoys: tuple[str, ...]  # running
    free: tuple[str, ...]  # decoys that could be placed


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
    kinds = [decoy.name for decoy in scenario.catalogue.decoys]
    pairs = torch.arange(len(decoys) * len(kinds), dtype=DTYPE, device=decoys.device)
    host, decoy = pairs // len(kinds), pairs % len(kinds)
    running = decoys.to(DTYPE)
    fits = blue.placeable(tables, host, running[host], decoy).view(-1, len(kinds))
    runs = members(running, len(kinds)).t()
    return [
        HostView(
            activity=active + exploited,
            verdict=suspected + 2 * confirmed,
            decoys=tuple(compress(kinds, here)),
            free=tuple(compress(kinds, free)),
        )
        for (active, exploited, suspected, confirmed), here, free in zip(
            bits.to(DTYPE).tolist(), runs.tolist(), fits.tolist(), strict=True
        )
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
    labels, actions = host_labels(scenario), action_labels(scenario)
    facts = {
        "step": float(step),
        "horizon": float(horizon),
        "last_action": -1.0 if last_action is None else float(last_action),
    }
    did = "none yet" if last_action is None else actions[last_action]
    lines = [f"step {step} of {horizon}; last action: {did}"]
    distances = scenario.distances()
    for i in sorted(range(len(hosts)), key=lambda i: int(labels[i].removeprefix("host"))):
        facts |= _facts(labels[i], distances[i], scenario.hosts[i].weight, hosts[i])
        lines.append(_line(labels[i], distances[i], hosts[i]))
    return StateText(facts, tuple(lines), actions)


def host_labels(scenario: Scenario) -> tuple[str, ...]:
    """``hostN`` for each host: N counts from 1, nearest to the server first."""
    distances = scenario.distances()
    order = sorted(range(len(distances)), key=lambda i: (distances[i], i))
    return tuple(f"host{order.index(i) + 1}" for i in range(len(distances)))


def action_labels(scenario: Scenario) -> tuple[str, ...]:
    """What each action is called, in the order of a policy's outputs."""
    return (
        "sleep",
        "monitor",
        *(f"{_verb(kind)} {label}" for kind in scenario.actions for label in host_labels(scenario)),
    )


def _verb(kind: str) -> str:
    decoy = kind.removeprefix("Decoy")
    return kind.lower() if decoy == kind else f"decoy {decoy.lower()}"


def _facts(label: str, distance: int, cost: float, host: HostView) -> dict[str, float]:
    return {
        f"{label}.distance": float(distance),
        f"{label}.cost": cost,
        f"{label}.activity": float(host.activity),
        f"{label}.verdict": float(host.verdict),
        **{f"{label}.{decoy}": 1.0 for decoy in host.decoys},
        **{f"{label}.{decoy}": 0.0 for decoy in host.free if decoy not in host.decoys},
    }


def _line(label: str, distance: int, host: HostView) -> str:
    decoys = ", ".join(_verb(decoy).removeprefix("decoy ") for decoy in host.decoys) or "none"
    where = "runs the service" if distance == 0 else f"{distance} hops away"
    verdict, activity = _VERDICT[host.verdict], _ACTIVITY[host.activity]
    return f"{label} ({where}): {activity}; believed {verdict}; decoys: {decoys}"
