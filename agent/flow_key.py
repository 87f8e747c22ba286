"""FlowKey: a flow's 5-tuple, and the text by which people name it.

``192.168.1.40:51234-198.51.100.7:443/tcp``: the initiator first; IPv6 addresses in brackets; no
ports where the protocol has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from agent.addresses import text, words
from agent.decision import protocol_text
from agent.errors import ConfigError

Address = tuple[int, int]  # high and low word

_WITH_PORTS: Final = frozenset({6, 17, 132})  # TCP, UDP, SCTP
_NUMBERS: Final = {protocol_text(number): number for number in range(256)}
_END: Final = r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?"
_KEY: Final = re.compile(rf"{_END}-{_END}/([a-z0-9-]+)")
_EXAMPLES: Final = (
    "192.168.1.40:51234-198.51.100.7:443/tcp, [2001:db8::4]:5353-[2001:db8::1]:53/udp"
    " or 192.168.1.40-192.168.1.1/icmp"
)


@dataclass(frozen=True, slots=True)
class FlowKey:
    """Who speaks to whom; ``src`` is the initiator. Ports are 0 where the protocol has none."""

    src: Address
    sport: int
    dst: Address
    dport: int
    proto: int

    @classmethod
    def parse(cls, key: str) -> Self:
        """The key that a text names.

        Raises:
            ConfigError: it is no flow key; says how to write one.
        """
        match = _KEY.fullmatch(key.strip())
        try:
            if match is None:
                raise ValueError("write SRC:PORT-DST:PORT/PROTO")
            return cls._from_groups(*match.groups())
        except ValueError as error:
            raise ConfigError(f"{key!r} is no flow: {error}; for example {_EXAMPLES}") from None

    @classmethod
    def _from_groups(
        cls,
        src6: str | None,
        src4: str | None,
        sport: str | None,
        dst6: str | None,
        dst4: str | None,
        dport: str | None,
        protocol: str,
    ) -> Self:
        if protocol not in _NUMBERS:
            raise ValueError(
                f"no protocol is called {protocol!r} here; write tcp, udp or ip-NUMBER"
            )
        proto = _NUMBERS[protocol]
        if proto in _WITH_PORTS and (sport is None or dport is None):
            raise ValueError(f"{protocol} needs a port at both ends")
        ports = int(sport or 0), int(dport or 0)
        if max(ports) > 65535:
            raise ValueError(f"{max(ports)} is no port; write 0 to 65535")
        return cls(words(src6 or src4 or ""), ports[0], words(dst6 or dst4 or ""), ports[1], proto)

    @classmethod
    def of(cls, row: np.void) -> Self:
        """The key of a row of `agent.flows.records`: a ``POINT`` or a ``FLOW``."""
        return cls(
            (int(row["src_hi"]), int(row["src_lo"])),
            int(row["sport"]),
            (int(row["dst_hi"]), int(row["dst_lo"])),
            int(row["dport"]),
            int(row["proto"]),
        )

    def __str__(self) -> str:
        """The text that `parse` reads."""
        ends = [self._end(self.src, self.sport), self._end(self.dst, self.dport)]
        return "-".join(ends) + f"/{protocol_text(self.proto)}"

    def _end(self, address: Address, port: int) -> str:
        ip = ip_address(text(*address))
        end = f"[{ip}]" if ip.version == 6 else str(ip)
        return f"{end}:{port}" if port or self.proto in _WITH_PORTS else end

    def reverse(self) -> FlowKey:
        """The same flow, named the other way round."""
        return FlowKey(self.dst, self.dport, self.src, self.sport, self.proto)

    def matches(self, rows: NDArray[np.void]) -> NDArray[np.bool_]:
        """Which rows, ``(n,)`` of ``POINT`` or ``FLOW``, have this key either way round."""
        return np.asarray(self._is_key_of(rows) | self.reverse()._is_key_of(rows))

    def _is_key_of(self, rows: NDArray[np.void]) -> NDArray[np.bool_]:
        return np.asarray(
            (rows["proto"] == self.proto)
            & (rows["sport"] == self.sport)
            & (rows["dport"] == self.dport)
            & (rows["src_lo"] == self.src[1])
            & (rows["dst_lo"] == self.dst[1])
            & (rows["src_hi"] == self.src[0])
            & (rows["dst_hi"] == self.dst[0])
        )


def vlan_text(vlan: int) -> str:
    """VLAN tags as people write them: ``10``, ``100.10`` (outer first), or nothing."""
    outer, inner = vlan >> 12 & 0xFFF, vlan & 0xFFF
    return f"{outer}.{inner}" if outer else str(inner) if inner else ""
