"""A network as data: hosts, subnets, services, exploits, decoys and what each is worth."""

from __future__ import annotations

import json
import tomllib
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.errors import ScenarioError

DATA: Final = Path(__file__).parent / "data"
MAX_HOSTS: Final = 31  # a set of hosts is one int32, without its sign
_BYTE: Final = 8

System = Literal["Linux", "Windows"]
Gain = Literal["user", "root", "repelled"]
Port = Annotated[int, Field(ge=1, le=65535)]


class Variant(StrEnum):
    """Which environment's rules hold."""

    HEAD = "head"  # the official code as it is now
    LB = "lb"  # the official code of the published leader board
    REPAIRED = "repaired"  # without the bookkeeping faults that a learner can exploit


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Exploit(_Row):
    """A way for red to gain a session."""

    name: str
    needs: tuple[tuple[Port, ...], ...] = Field(description="red must know a port of each list")
    weight: float = Field(gt=0, description="red prefers the heaviest that it can use")
    brute_force: bool = Field(False, description="always noticed, never leaves a file")
    crashes_after_restore: bool = Field(
        False, description="variant lb: a restored genuine service no longer falls to it"
    )


class Decoy(_Row):
    """A false service that blue can start."""

    name: str
    port: Port = Field(description="must be unused on the host")
    systems: tuple[System, ...]
    traps: str = Field(description="the exploit that fails against it, visibly")
    opens: Port | None = Field(None, description="the port that it opens in fact, if another")
    repaired: str | None = Field(None, description="what it traps where it opens its own port")


class Image(_Row):
    """What a kind of host runs."""

    system: System
    listens: tuple[Port, ...] = Field(description="one entry for each socket")
    exploits: dict[str, Gain] = Field(description="the exploits that work, and what they bring")


class Subnet(_Row):
    """A group of hosts."""

    name: str
    behind: str | None = Field(None, description="reachable while red holds a host of that one")


class Host(_Row):
    """One machine; its place in the list is its index everywhere."""

    name: str
    subnet: str
    image: str
    weight: float = Field(ge=0, description="cost of a step in which red is privileged there")
    reveals: str | None = Field(None, description="host whose address an escalation here shows")


class Catalogue(_Row):
    """What exists apart from any network; orders are those of bits and actions."""

    ports: tuple[Port, ...]
    exploits: tuple[Exploit, ...]
    decoys: tuple[Decoy, ...]
    images: dict[str, Image]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if max(len(self.ports), len(self.exploits), len(self.decoys)) > _BYTE:
            raise ValueError(f"at most {_BYTE} ports, exploits and decoys: a set of them is a byte")
        needed = [port for e in self.exploits for choice in e.needs for port in choice]
        opened = [port for d in self.decoys for port in (d.port, d.opens) if port is not None]
        for port in (*needed, *opened):
            if port not in self.ports:
                raise ValueError(f"{port} is not a port of the catalogue")
        if any(not all((e.needs, *e.needs)) for e in self.exploits):
            raise ValueError("an exploit that needs no port could never be chosen")
        return self

    @classmethod
    def shipped(cls) -> Self:
        """The catalogue of CybORG's Scenario2."""
        return cls.model_validate(tomllib.loads((DATA / "catalogue.toml").read_text()))


class Scenario(_Row):
    """One network, red's way through it and blue's catalogue."""

    name: str
    subnets: tuple[Subnet, ...]
    hosts: tuple[Host, ...] = Field(min_length=3, max_length=MAX_HOSTS)
    foothold: str = Field(description="host that red holds from the start and cannot lose")
    server: str = Field(description="host with the operational service")
    entries: tuple[str, ...] = Field(min_length=1, description="where B_line may begin")
    pivot: str = Field(description="the host through which B_line reaches the server")
    catalogue: Catalogue = Field(default_factory=Catalogue.shipped)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The hosts' names, in order."""
        return tuple(host.name for host in self.hosts)

    @cached_property
    def actions(self) -> tuple[str, ...]:
        """Blue's action kinds after Sleep and Monitor, in order; each exists for every host."""
        decoys = tuple(decoy.name for decoy in self.catalogue.decoys)
        return ("Analyse", "Remove", *decoys, "Restore")

    @property
    def num_actions(self) -> int:
        """Sleep, Monitor, and every kind on every host."""
        return 2 + len(self.actions) * len(self.hosts)

    @property
    def num_features(self) -> int:
        """Four bits a host."""
        return 4 * len(self.hosts)

    def index(self, name: str) -> int:
        """A host's index."""
        return self.names.index(name)

    def image(self, host: Host) -> Image:
        """What the host runs."""
        return self.catalogue.images[host.image]

    def in_subnet(self, subnet: str) -> tuple[int, ...]:
        """Indices of a subnet's hosts."""
        return tuple(i for i, host in enumerate(self.hosts) if host.subnet == subnet)

    def distances(self) -> tuple[int, ...]:
        """Hops from each host to the server, over shared subnets and revealed addresses."""
        hops = {self.server: 0}
        frontier = [self.server]
        while frontier:
            near = [host for host in self.hosts if host.name not in hops]
            near = [host for host in near if any(self._adjacent(host.name, at) for at in frontier)]
            distance = hops[frontier[0]] + 1
            frontier = [host.name for host in near]
            hops |= dict.fromkeys(frontier, distance)
        farthest = max(hops.values()) + 1
        return tuple(hops.get(name, farthest) for name in self.names)

    def _adjacent(self, a: str, b: str) -> bool:
        first, second = self.hosts[self.index(a)], self.hosts[self.index(b)]
        return first.subnet == second.subnet or first.reveals == b or second.reveals == a

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names, subnets = set(self.names), {subnet.name for subnet in self.subnets}
        exploits = {exploit.name for exploit in self.catalogue.exploits}
        _known("host", [self.foothold, self.server, self.pivot, *self.entries], names)
        _known("host", [host.reveals for host in self.hosts], names)
        _known("subnet", [host.subnet for host in self.hosts], subnets)
        _known("subnet", [subnet.behind for subnet in self.subnets], subnets)
        _known("image", [host.image for host in self.hosts], set(self.catalogue.images))
        _known("exploit", [decoy.traps for decoy in self.catalogue.decoys], exploits)
        _known("exploit", [decoy.repaired for decoy in self.catalogue.decoys], exploits)
        for image in self.catalogue.images.values():
            _known("exploit", list(image.exploits), exploits)
        if len(names) != len(self.hosts):
            raise ValueError("two hosts have the same name")
        if any(self.hosts[self.index(entry)].reveals is None for entry in self.entries):
            raise ValueError("every entry must reveal a host: B_line goes there next")
        if any(round(10 * host.weight) != 10 * host.weight for host in self.hosts):
            raise ValueError("weights must be multiples of 0.1: rewards have one decimal")
        return self


def _known(kind: str, names: list[str | None] | list[str], known: set[str]) -> None:
    for name in names:
        if name is not None and name not in known:
            raise ValueError(f"no {kind} is named {name!r}")


def load(name: str) -> Scenario:
    """A scenario by name (``official``, ``generated-20``, ``generated-20-7``) or file.

    Raises:
        ScenarioError: no such scenario, or one that contradicts itself.
    """
    from training.cage2.generate import parse

    if (generated := parse(name)) is not None:
        return generated
    path = DATA / f"{name}.toml" if name == "official" else Path(name)
    try:
        text = path.read_text()
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return Scenario.model_validate(data)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(
            f"no scenario {name!r}: say official, generated-N (N hosts) or a .toml or .json file"
        ) from error
    except (ValueError, ValidationError) as error:
        raise ScenarioError(f"{path}: {_first(error)}") from error


def _first(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    details = error.errors()[0]
    where = ".".join(map(str, details["loc"]))
    return f"{where}: {details['msg']}" if where else details["msg"]
