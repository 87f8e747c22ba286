"""A scenario as the constants of the batched rules: sets of hosts, and small tables.

``H`` hosts, ``S`` subnets, ``E`` exploits, ``D`` decoys. A table of 256 rows is looked up by a set
of ports or decoys as a byte. Everything lies on one device, so that a step never waits for another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

import torch

from training.cage2.b_line import Script
from training.cage2.bits import BYTE, DTYPE, mask, nth_members, weights_of
from training.cage2.codes import NOTHING, REPELLED, ROOT, USER
from training.cage2.scenario import Decoy, Exploit, Scenario, Variant

_EFFECT: Final = {"user": USER, "root": ROOT, "repelled": REPELLED}


@dataclass(frozen=True)
class Services:
    """What listens, and what decoys add to it."""

    genuine: torch.Tensor  # (H,) set of ports with a genuine service
    other_ports: torch.Tensor  # (H,) distinct listening ports that no exploit needs
    fits: torch.Tensor  # (H,) set of decoys for its operating system
    opened: torch.Tensor  # (256,) of decoys: set of ports that they open
    wanted: torch.Tensor  # (D,) set of the port that must be unused


@dataclass(frozen=True)
class Exploits:
    """What red can try, and what comes of it."""

    usable: torch.Tensor  # (256,) of known ports: set of exploits, numbered from the heaviest
    by_weight: torch.Tensor  # (E,) the exploits, heaviest first
    effect: torch.Tensor  # (E * H,) NOTHING, USER, ROOT, REPELLED
    brute_force: torch.Tensor  # (E,) bool
    crashes: torch.Tensor  # (E,) bool: restored services no longer fall to it (variant lb)
    traps: torch.Tensor  # (E,) set of decoys that it fails against


@dataclass(frozen=True)
class Tables:
    """Constants of one scenario under one variant; a "set" without a shape is an int."""

    hosts: int
    num_subnets: int
    num_decoys: int
    foothold: int  # set of the one host
    server: int  # set of the one host
    home: int  # set of the foothold's subnet alone
    behind: tuple[tuple[int, int], ...]  # a subnet's set, and the set to be entered before
    inner: int  # set: hosts that lie behind others
    outer: int  # set: hosts that others lie behind
    lb: bool
    repaired: bool
    disarms: bool  # a Restore of the server leaves Impact nothing to stop
    counts: torch.Tensor  # weights table: 1 for each member
    tenths: torch.Tensor  # weights table: reward's tenths for each step with red privileged
    nth: torch.Tensor  # the members of bytes
    entries: torch.Tensor  # () set of hosts where B_line may begin
    script: Script  # B_line's
    subnets: torch.Tensor  # (S,) sets of their hosts
    subnet_of: torch.Tensor  # (H,) set of one subnet
    reveals: torch.Tensor  # (H,) set of hosts that an escalation shows
    services: Services
    exploits: Exploits


def compile_tables(scenario: Scenario, variant: Variant, device: torch.device) -> Tables:
    """The constants of a scenario under a variant's rules."""
    sets = {subnet.name: mask(scenario.in_subnet(subnet.name)) for subnet in scenario.subnets}
    behind = tuple((sets[s.name], sets[s.behind]) for s in scenario.subnets if s.behind is not None)
    order = list(sets)
    subnet_of = {host.name: mask([order.index(host.subnet)]) for host in scenario.hosts}

    def one(host: str | None) -> int:
        return mask([] if host is None else [scenario.index(host)])

    return Tables(
        hosts=len(scenario.hosts),
        num_subnets=len(order),
        num_decoys=len(scenario.catalogue.decoys),
        foothold=one(scenario.foothold),
        server=one(scenario.server),
        home=subnet_of[scenario.foothold],
        behind=behind,
        inner=reduce(or_, (inside for inside, _ in behind), 0),
        outer=reduce(or_, (outside for _, outside in behind), 0),
        lb=variant is Variant.LB,
        repaired=variant is Variant.REPAIRED,
        disarms=variant is not Variant.REPAIRED,
        # Whole bytes: sets of ports and exploits are counted by the first one.
        counts=weights_of([1] * (8 * -(-len(scenario.hosts) // 8)), device),
        tenths=weights_of([round(10 * host.weight) for host in scenario.hosts], device),
        nth=nth_members(device),
        entries=_tensor([mask(map(scenario.index, scenario.entries))], device)[0],
        script=Script.make(
            subnet_of[scenario.foothold],
            subnet_of[scenario.pivot],
            one(scenario.pivot),
            one(scenario.server),
            device,
        ),
        subnets=_tensor(sets.values(), device),
        subnet_of=_tensor(subnet_of.values(), device),
        reveals=_tensor((one(host.reveals) for host in scenario.hosts), device),
        services=_services(scenario, variant, device),
        exploits=_exploits(scenario, variant, device),
    )


def _tensor(values: Iterable[int], device: torch.device) -> torch.Tensor:
    return torch.tensor(list(values), dtype=DTYPE, device=device)


def _services(scenario: Scenario, variant: Variant, device: torch.device) -> Services:
    ports, decoys = scenario.catalogue.ports, scenario.catalogue.decoys
    images = [scenario.image(host) for host in scenario.hosts]
    opens = [mask([ports.index(_opens(decoy, variant))]) for decoy in decoys]
    return Services(
        genuine=_tensor(
            (mask(row for row, port in enumerate(ports) if port in i.listens) for i in images),
            device,
        ),
        other_ports=_tensor((len(set(i.listens) - set(ports)) for i in images), device),
        fits=_tensor(
            (
                mask(d for d, decoy in enumerate(decoys) if i.system in decoy.systems)
                for i in images
            ),
            device,
        ),
        opened=_tensor(
            (
                reduce(or_, (port for d, port in enumerate(opens) if placed >> d & 1), 0)
                for placed in range(BYTE)
            ),
            device,
        ),
        wanted=_tensor((mask([ports.index(decoy.port)]) for decoy in decoys), device),
    )


def _exploits(scenario: Scenario, variant: Variant, device: torch.device) -> Exploits:
    ports, decoys = scenario.catalogue.ports, scenario.catalogue.decoys
    exploits = scenario.catalogue.exploits
    images = [scenario.image(host) for host in scenario.hosts]
    by_weight = sorted(range(len(exploits)), key=lambda e: -exploits[e].weight)

    def needs_met(exploit: Exploit, known: int) -> bool:
        return all(known & mask(map(ports.index, choice)) for choice in exploit.needs)

    return Exploits(
        usable=_tensor(
            (
                mask(i for i, e in enumerate(by_weight) if needs_met(exploits[e], known))
                for known in range(BYTE)
            ),
            device,
        ),
        by_weight=_tensor(by_weight, device),
        effect=_tensor(
            (_EFFECT.get(i.exploits.get(e.name, ""), NOTHING) for e in exploits for i in images),
            device,
        ),
        brute_force=_tensor((e.brute_force for e in exploits), device).bool(),
        crashes=_tensor(
            (variant is Variant.LB and e.crashes_after_restore for e in exploits), device
        ).bool(),
        traps=_tensor(
            (
                mask(d for d, decoy in enumerate(decoys) if _traps(decoy, variant) == e.name)
                for e in exploits
            ),
            device,
        ),
    )


def _opens(decoy: Decoy, variant: Variant) -> int:
    return decoy.port if variant is Variant.REPAIRED else decoy.opens or decoy.port


def _traps(decoy: Decoy, variant: Variant) -> str:
    return (decoy.repaired if variant is Variant.REPAIRED else None) or decoy.traps
