"""What no verdict may ever touch: networks, ports, MAC addresses and interfaces.

Entries are text, as an operator writes them: ``192.168.1.1``, ``10.0.0.0/8``, ``2001:db8::/32``,
``port 22``, ``aa:bb:cc:dd:ee:ff``, ``interface wan0``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from agent.addresses import words
from agent.errors import ConfigError

_ALL = (1 << 64) - 1
_MAC: Final = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}", re.IGNORECASE)


def networks(cidrs: Iterable[str]) -> NDArray[np.uint64]:
    """Networks as ``(n, 4)`` words: address high and low, mask high and low; IPv4 mapped.

    Raises:
        ConfigError: an entry is no address or network.
    """
    rows = []
    for cidr in cidrs:
        try:
            network = ip_network(cidr)
        except ValueError as error:
            raise ConfigError(f"{cidr!r} is no network: {error}; write 192.168.0.0/16") from None
        length = network.prefixlen + (96 if network.version == 4 else 0)
        mask = ((1 << length) - 1) << (128 - length)
        rows.append((*words(network.network_address), mask >> 64, mask & _ALL))
    return np.array(rows, np.uint64).reshape(-1, 4)


@dataclass(frozen=True, slots=True)
class AllowList:
    """Entries by kind, as the flow table looks them up. A flow that any of them names is exempt.

    A network names a flow by either end, a port by its responder, a MAC address by the sender of
    any of its packets, an interface by where its first packet was seen.
    """

    networks: NDArray[np.uint64]  # (n, 4), see `networks`
    ports: NDArray[np.uint8]  # (65536,), 1 where listed
    macs: NDArray[np.uint64]  # (n,), 48 bits each
    interfaces: frozenset[str]

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """Sort entries by kind.

        Raises:
            ConfigError: an entry is of none of the kinds; names it.
        """
        cidrs, macs, interfaces = [], [], []
        ports = np.zeros(65536, np.uint8)
        for entry in (e.strip() for e in entries):
            if match := re.fullmatch(r"port\s+(\d+)", entry):
                ports[_port(match[1])] = 1
            elif match := re.fullmatch(r"interface\s+(\S+)", entry):
                interfaces.append(match[1])
            elif _MAC.fullmatch(entry):
                macs.append(int(re.sub("[:-]", "", entry), 16))
            else:
                cidrs.append(entry)
        return cls(networks(cidrs), ports, np.array(macs, np.uint64), frozenset(interfaces))


def _port(digits: str) -> int:
    if not 0 < int(digits) < 65536:
        raise ConfigError(f"allow-list: port {digits} does not exist; ports are 1 to 65535")
    return int(digits)
