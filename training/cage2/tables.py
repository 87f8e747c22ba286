"""A scenario as the constants of the batched rules: sets of hosts, and small tensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import torch

from training.cage2.bits import DTYPE, mask
from training.cage2.scenario import Decoy, Scenario, Variant

# What an exploit meets on a host.
NOTHING, USER, ROOT, REPELLED = 0, 1, 2, 3
_EFFECT: Final = {"user": USER, "root": ROOT, "repelled": REPELLED}


@dataclass(frozen=True, slots=True)
class Tables:
    """Constants of one scenario under one variant, on one device.

    ``H`` hosts, ``P`` ports, ``E`` exploits, ``D`` decoys. A "set" is an int with one bit a host.
    """

    hosts: int
    actions: int
    foothold: int  # set
    server: int  # set
    entries: int  # set
    pivot: int  # set
    behind: tuple[tuple[int, int], ...]  # a subnet's set, and the set that must be entered first
    sweeps: tuple[int, int]  # the subnets that B_line sweeps, by index: foothold's, pivot's
    inner: int  # set: hosts behind others
    outer: int  # set: hosts that others are behind

    genuine: torch.Tensor  # (P, 1) sets that listen on a port
    other_ports: torch.Tensor  # (H,) distinct listening ports that no exploit needs
    effect: torch.Tensor  # (E * H,) what a genuine service does: NOTHING, USER, ROOT, REPELLED
    crashes: torch.Tensor  # (E,) bool: restored services no longer fall to it (variant lb)
    brute_force: torch.Tensor  # (E,) bool
    needs: tuple[tuple[tuple[int, ...], ...], ...]  # by weight, heaviest first: rows of ports
    by_weight: torch.Tensor  # (E,) the exploits, heaviest first

    placeable: torch.Tensor  # (D, 1) sets where a decoy fits, other decoys apart
    wants: torch.Tensor  # (D,) row of the port that must be unused
    openers: tuple[tuple[int, ...], ...]  # decoys that open each port
    traps: torch.Tensor  # (D, 1) the exploit that each decoy traps

    subnets: torch.Tensor  # (S,) sets of members
    subnet_of: torch.Tensor  # (H,) set of one subnet
    reveals: torch.Tensor  # (H,) set that an escalation shows
    tenths: torch.Tensor  # (H, 1) tenths of reward for each step with red privileged there

    lb: bool
    repaired: bool


def compile_tables(scenario: Scenario, variant: Variant, device: torch.device) -> Tables:
    """The constants of a scenario under a variant's rules."""
    catalogue = scenario.catalogue
    exploits = [exploit.name for exploit in catalogue.exploits]
    rows = {port: row for row, port in enumerate(catalogue.ports)}
    subnets = [subnet.name for subnet in scenario.subnets]
    members = {name: mask(scenario.in_subnet(name)) for name in subnets}
    images = [scenario.image(host) for host in scenario.hosts]
    by_weight = sorted(range(len(exploits)), key=lambda e: -catalogue.exploits[e].weight)
    behind = [(members[s.name], members[s.behind]) for s in scenario.subnets if s.behind]
    repaired = variant is Variant.REPAIRED
    opens = [_opens(decoy, repaired) for decoy in catalogue.decoys]

    def tensor(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=DTYPE, device=device)

    def column(values: list[int]) -> torch.Tensor:
        return tensor(values)[:, None]

    def subnet_index(host: str) -> int:
        return subnets.index(scenario.hosts[scenario.index(host)].subnet)

    return Tables(
        hosts=len(scenario.hosts),
        actions=scenario.num_actions,
        foothold=mask([scenario.index(scenario.foothold)]),
        server=mask([scenario.index(scenario.server)]),
        entries=mask(map(scenario.index, scenario.entries)),
        pivot=mask([scenario.index(scenario.pivot)]),
        behind=tuple(behind),
        sweeps=(subnet_index(scenario.foothold), subnet_index(scenario.pivot)),
        inner=_union(inside for inside, _ in behind),
        outer=_union(outside for _, outside in behind),
        genuine=column(
            [mask(h for h, i in enumerate(images) if port in i.listens) for port in rows]
        ),
        other_ports=tensor([len(set(image.listens) - set(rows)) for image in images]),
        effect=tensor(
            [_EFFECT.get(i.exploits.get(name, ""), NOTHING) for name in exploits for i in images]
        ),
        crashes=torch.tensor(
            [variant is Variant.LB and e.crashes_after_restore for e in catalogue.exploits],
            device=device,
        ),
        brute_force=torch.tensor([e.brute_force for e in catalogue.exploits], device=device),
        needs=tuple(
            tuple(tuple(rows[port] for port in ports) for ports in catalogue.exploits[e].needs)
            for e in by_weight
        ),
        by_weight=tensor(by_weight),
        placeable=column(
            [
                mask(
                    h
                    for h, image in enumerate(images)
                    if image.system in decoy.systems and decoy.port not in image.listens
                )
                for decoy in catalogue.decoys
            ]
        ),
        wants=tensor([rows[decoy.port] for decoy in catalogue.decoys]),
        openers=tuple(
            tuple(d for d, opened in enumerate(opens) if opened == port) for port in rows
        ),
        traps=column([exploits.index(_traps(d, repaired)) for d in catalogue.decoys]),
        subnets=tensor(list(members.values())),
        subnet_of=tensor([1 << subnets.index(host.subnet) for host in scenario.hosts]),
        reveals=tensor(
            [mask([scenario.index(h.reveals)] if h.reveals else []) for h in scenario.hosts]
        ),
        tenths=column([round(10 * host.weight) for host in scenario.hosts]),
        lb=variant is Variant.LB,
        repaired=repaired,
    )


def _opens(decoy: Decoy, repaired: bool) -> int:
    return decoy.port if repaired or decoy.opens is None else decoy.opens


def _traps(decoy: Decoy, repaired: bool) -> str:
    return decoy.repaired if repaired and decoy.repaired else decoy.traps


def _union(sets: Iterable[int]) -> int:
    total = 0
    for each in sets:
        total |= each
    return total
