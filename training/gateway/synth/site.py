"""An imagined gateway: its networks, its machines, and the internet beyond it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from training.gateway.synth.attacks.scan import State
from training.gateway.synth.draws import spread_int, weighted
from training.gateway.synth.machines import Machine, local_host, machine, remote_host
from training.gateway.synth.wire import Host, Wire

_SHARES: Final = {
    "home": {"desktop": 0.25, "phone": 0.35, "media": 0.2, "thing": 0.15, "server": 0.05},
    "office": {"desktop": 0.6, "phone": 0.15, "server": 0.15, "printer": 0.07, "thing": 0.03},
    "things": {"thing": 0.7, "desktop": 0.1, "phone": 0.1, "server": 0.05, "media": 0.05},
}
"""Of what kinds the machines of each kind of site are."""

_LIVE_BEFORE: Final = 60.0  # s; what began before the capture is seen from its middle on
_WORDS: Final = ("news", "shop", "mail", "cdn", "api", "img", "static", "cloud", "play", "ads")


@dataclass(frozen=True)
class Service:
    """Somebody's machines in the internet, under one name."""

    name: str
    servers: list[Host]
    servers6: list[Host]


@dataclass
class Site:
    """Everything about one gateway that the traffic draws from."""

    wire: Wire
    kind: str
    gateway: Host
    resolver: Host
    prefix: str  # of the machines' IPv4 addresses, three numbers
    monitor: Machine  # polls the others, and is never infected
    machines: list[Machine] = field(default_factory=list)  # the monitor is one
    services: list[Service] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)
    _roles: dict[str, Machine] = field(default_factory=dict)

    def moment(self, before_end: float = 0.0) -> float:
        """When something begins: now and then before the capture does."""
        return self.wire.random.uniform(-_LIVE_BEFORE, self.wire.end - before_end)

    def any(self, *kinds: str) -> Machine:
        """A machine of some kinds, or any where there are none."""
        fitting = [each for each in self.machines if each.kind in kinds]
        return self.wire.random.choice(fitting or self.machines)

    def another(self, than: Machine, *kinds: str) -> Machine:
        """Another one of some kinds, or any other."""
        others = [each for each in self.machines if each is not than]
        fitting = [each for each in others if each.kind in kinds]
        return self.wire.random.choice(fitting or others)

    def role(self, name: str, *kinds: str) -> Machine:
        """Who plays a part here, as the directory or the mail server: always the same machine."""
        if name not in self._roles:
            self._roles[name] = self.any(*kinds)
        return self._roles[name]

    def part(self, than: Machine, least: int, most: int, *kinds: str) -> list[Machine]:
        """So many other machines, or as many as there are; of some kinds, if there are any."""
        others = [each for each in self.machines if each is not than]
        fitting = [each for each in others if each.kind in kinds] or others
        count = spread_int(self.wire.random, least, most)
        return self.wire.random.sample(fitting, min(len(fitting), count))

    @property
    def broadcast(self) -> Host:
        """Everybody in the house."""
        return Host("ff:ff:ff:ff:ff:ff", f"{self.prefix}.255")

    def towards(self, machine: Machine, service: Service) -> tuple[Host, list[Host]]:
        """By which of its addresses a machine talks to a service, and to which servers."""
        local = machine.ipv6
        if local and not local.ip.startswith("fd") and self.wire.random.random() < 0.6:
            return local, service.servers6
        return machine.host, service.servers

    def remote(self, client: bool = False, ipv6: bool = False) -> Host:
        """A new machine in the internet."""
        ip = self.public_ipv6() if ipv6 else self.public_ipv4()
        vlan = self.gateway.vlan
        return remote_host(self.wire.random, self.gateway.mac, ip, vlan, client)

    def strangers(self, count: int) -> list[Host]:
        """As many new machines in the internet, of people."""
        return [self.remote(client=True) for _ in range(count)]

    def public_ipv4(self) -> str:
        """An address of the internet that nobody here has had yet."""
        return self._fresh(lambda: IPv4Address(self.wire.random.getrandbits(32)))

    def public_ipv6(self) -> str:
        """The same in the ranges that registries give out, 2400::/12 to 2a00::/12 (IANA)."""
        dice = self.wire.random
        return self._fresh(
            lambda: IPv6Address(
                dice.choice((0x240, 0x260, 0x280, 0x2A0)) << 116
                | dice.getrandbits(84) << 32
                | dice.getrandbits(16)
            )
        )

    def _fresh(self, draw: Callable[[], IPv4Address | IPv6Address]) -> str:
        address = draw()
        while not address.is_global or address.is_multicast or str(address) in self._taken:
            address = draw()
        self._taken.add(str(address))
        return str(address)

    def nobody(self) -> Host:
        """An address of the house that no machine has, as if behind the gateway."""
        used = {each.host.ip for each in self.machines} | {self.gateway.ip}
        free = [n for n in range(2, 255) if f"{self.prefix}.{n}" not in used]
        ip = f"{self.prefix}.{self.wire.random.choice(free)}"
        return Host(self.gateway.mac, ip, vlan=self.gateway.vlan)

    def state(self, host: Host, port: int) -> State:
        """What a host does about a port: nobody's address is silent, as most of the internet is."""
        for each in self.machines:
            if host in (each.host, each.ipv6):
                if port in each.open:
                    return "open"
                return "silent" if each.filtered else "closed"
        return "silent"


def imagine(wire: Wire) -> Site:
    """A home, a small office or a house full of things, with 3 to 40 machines."""
    dice = wire.random
    kind = weighted(dice, {"home": 0.45, "office": 0.35, "things": 0.2})
    prefix = dice.choice(
        (
            f"192.168.{dice.randint(0, 254)}",
            f"10.{dice.randint(0, 255)}.{dice.randint(0, 255)}",
            f"172.{dice.randint(16, 31)}.{dice.randint(0, 255)}",
        )
    )
    vlan = dice.randint(2, 400) if kind == "office" and dice.random() < 0.4 else 0
    numbers = dice.sample(range(2, 254), spread_int(dice, 3, 40))
    gateway = local_host(dice, "server", f"{prefix}.{dice.choice((1, 254))}", vlan)
    monitor = machine(dice, "server", f"{prefix}.{numbers[0]}", None, vlan)
    site = Site(wire, kind, gateway, gateway, prefix, monitor, [monitor])
    if dice.random() < 0.25:
        site.resolver = site.remote()
    _furnish(site, numbers[1:])
    _connect(site)
    return site


def _furnish(site: Site, numbers: list[int]) -> None:
    """Machines of the kinds that such a site has, some of them with an IPv6 address."""
    dice, network = site.wire.random, _ipv6_network(site)
    for number in numbers:
        ipv6 = None
        if network is not None and dice.random() < 0.6:
            ipv6 = str(IPv6Address(network | dice.getrandbits(48) | 1))
        kind = weighted(dice, _SHARES[site.kind])
        ip = f"{site.prefix}.{number}"
        site.machines.append(machine(dice, kind, ip, ipv6, site.gateway.vlan))


def _connect(site: Site) -> None:
    """The services that people here use, on one to four machines each."""
    dice = site.wire.random
    for index in range(spread_int(dice, 6, 30)):
        name = f"{dice.choice(_WORDS)}{dice.randint(1, 99)}.site{index}.example"
        servers = [site.remote() for _ in range(dice.randint(1, 4))]
        site.services.append(Service(name, servers, [site.remote(ipv6=True) for _ in servers[:2]]))


def _ipv6_network(site: Site) -> int | None:
    """The first address of none, of a unique local /64 (RFC 4193), or of one of the internet's."""
    dice = site.wire.random
    kind = dice.random()
    if kind < 0.5:
        return None
    if kind < 0.75:
        return (0xFD << 56 | dice.getrandbits(56)) << 64
    return int(IPv6Address(site.public_ipv6())) >> 64 << 64
