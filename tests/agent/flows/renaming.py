"""Other names for hosts and ports, of the same kinds: what may be seen of a name stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from functools import cache
from ipaddress import ip_address, ip_network
from random import Random
from typing import Final, TypeVar

import numpy as np

from agent.config import HOME_NETWORKS
from agent.observation import SERVICE_OF_PORT, Service
from tests.agent.flows.rewrite import VXLAN_PORTS

Name = TypeVar("Name", bound=Hashable)
Group = TypeVar("Group", bound=Hashable)

_HOME: Final = [ip_network(cidr) for cidr in HOME_NETWORKS]
_OTHERWISE: Final = (10, 100, 169, 172, 192)  # begin home networks, or may
_BEGINNINGS: Final = {  # of addresses, by kind and length
    ("home", 4): (b"\x0a", b"\xac\x10", b"\xc0\xa8"),
    ("home", 16): (b"\xfd", b"\xfe\x80"),
    ("group", 4): (b"\xe0", b"\xe8", b"\xef"),
    ("group", 16): (b"\xff",),
    ("remote", 4): tuple(bytes([b]) for b in range(1, 224) if b not in _OTHERWISE),
    ("remote", 16): (b"\x20", b"\x24", b"\x2a"),
}
_FIXED_PORTS: Final = VXLAN_PORTS | {0}  # 0 stands for none


@cache
def kind(address: bytes) -> str:
    """What may be seen of an address: whether it is a group's, a home network's, or neither."""
    ip = ip_address(address)
    if ip.is_multicast or address == b"\xff" * 4:
        return "group"
    is_home = any(ip in network for network in _HOME if network.version == ip.version)
    return "home" if is_home else "remote"


def family(address: bytes) -> tuple[str, int, bytes]:
    """Addresses that can change places: of a kind, and of a /64 where rules name it."""
    what, size = kind(address), len(address)
    return what, size, address[:8] if size == 16 and what != "home" else b""


def other_addresses(addresses: Iterable[bytes], random: Random) -> dict[bytes, bytes]:
    """New addresses of the same families."""
    prefixes: dict[bytes, bytes] = {}
    new: dict[bytes, bytes] = {}
    taken: set[bytes] = set()
    for old in addresses:
        what, size, prefix = family(old)
        while old not in new:
            begins = random.choice(_BEGINNINGS[what, size])
            if prefix:
                begins = prefixes.setdefault(prefix, begins + random.randbytes(8 - len(begins)))
            drawn = begins + random.randbytes(size - len(begins))
            if drawn not in taken:
                new[old] = drawn
                taken.add(drawn)
    return new


def shuffled_addresses(addresses: Iterable[bytes], random: Random) -> dict[bytes, bytes]:
    """The same addresses; those of a family have changed places."""
    return _drawn(addresses, family, lambda _, olds: olds, random)


def other_ports(ports: Iterable[int], random: Random) -> dict[int, int]:
    """New ports of the same service classes."""

    def choices(service: Service, _: list[int]) -> list[int]:
        return sorted({*np.flatnonzero(service == SERVICE_OF_PORT).tolist()} - _FIXED_PORTS)

    free = [port for port in ports if port not in _FIXED_PORTS]
    new = _drawn(free, lambda port: Service(SERVICE_OF_PORT[port]), choices, random)
    return new | {port: port for port in _FIXED_PORTS}


def _drawn(
    olds: Iterable[Name],
    group_of: Callable[[Name], Group],
    choices: Callable[[Group, list[Name]], list[Name]],
    random: Random,
) -> dict[Name, Name]:
    """A name for each, no two the same, out of the choices of its group."""
    groups: defaultdict[Group, list[Name]] = defaultdict(list)
    for old in olds:
        groups[group_of(old)].append(old)
    return {
        old: new
        for group, members in groups.items()
        for old, new in zip(
            members, random.sample(choices(group, members), len(members)), strict=True
        )
    }
