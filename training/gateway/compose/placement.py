"""A part in its place in a gateway's traffic: when it happens, and who its hosts are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.labels import Label
from training.gateway.compose.addresses import Address, Lan, group_mac
from training.gateway.compose.packets import ETHERNET_BYTES, SNAPLEN, ethertypes
from training.gateway.compose.parts import Kind, Part

Key: TypeAlias = tuple[tuple[Address, int], tuple[Address, int], int]
"""A 5-tuple, alike in both directions."""

_IP: Final = ETHERNET_BYTES
_MOST_WORDS: Final = 30  # of an IPv4 header, of 16 bits (RFC 791, 3.1)


@dataclass(frozen=True, slots=True)
class PlacedFlow:
    """A flow of a composed gateway; ``capture`` says where it is from."""

    start_ns: int
    src: Address
    sport: int
    dst: Address
    dport: int
    proto: int
    label: Label | None
    capture: str

    @property
    def key(self) -> Key:
        """What the agent tells flows apart by."""
        one, other = sorted(((self.src, self.sport), (self.dst, self.dport)))
        return one, other, self.proto


@dataclass(frozen=True, slots=True)
class Placement:
    """A part's place.

    Attributes:
        part: of a capture.
        times: ``(n,)`` ns since 1970.
        inside: ``(h,)``, which hosts are in the gateway's network.
        addresses: of each host.
        senders, receivers: ``(h, 6)`` uint8, MAC addresses of frames from and to each host.
    """

    part: Part
    times: NDArray[np.int64]
    inside: NDArray[np.bool_]
    addresses: tuple[Address, ...]
    senders: NDArray[np.uint8]
    receivers: NDArray[np.uint8]

    @property
    def flows(self) -> tuple[PlacedFlow, ...]:
        """The part's flows here."""
        rows = np.searchsorted(self.part.times, [flow.start_ns for flow in self.part.flows])
        return tuple(
            PlacedFlow(
                start_ns,
                self.addresses[flow.src],
                flow.sport,
                self.addresses[flow.dst],
                flow.dport,
                flow.proto,
                flow.label,
                self.part.capture,
            )
            for flow, start_ns in zip(self.part.flows, self.times[rows].tolist(), strict=True)
        )

    def frames(self) -> NDArray[np.uint8]:
        """``(n, 96)``: Ethernet frames, cut there or filled with zeros.

        IPv4 headers get their right checksum. Those of transport headers stay as captured, wrong
        now, as nothing reads them.
        """
        part = self.part
        frames = np.zeros((len(part.times), SNAPLEN), np.uint8)
        frames[:, 0:6] = self.receivers[part.dst]
        frames[:, 6:12] = self.senders[part.src]
        frames[:, 12:14] = ethertypes(part.content)
        frames[:, _IP:] = part.content
        octets = np.array(self.addresses, ">u8").view(np.uint8).reshape(-1, 16)
        is_v6 = part.content[:, 0] >> 4 == 6
        frames[is_v6, _IP + 8 : _IP + 24] = octets[part.src[is_v6]]
        frames[is_v6, _IP + 24 : _IP + 40] = octets[part.dst[is_v6]]
        frames[~is_v6, _IP + 12 : _IP + 16] = octets[part.src[~is_v6], 12:]
        frames[~is_v6, _IP + 16 : _IP + 20] = octets[part.dst[~is_v6], 12:]
        frames[~is_v6, _IP + 10 : _IP + 12] = ipv4_checksums(frames[~is_v6, _IP:])
        return frames


def place(
    part: Part,
    times: NDArray[np.int64],
    inside: NDArray[np.bool_],
    lan: Lan,
    rng: Random,
    shared: Mapping[int, Address] | None = None,
) -> Placement:
    """Give all hosts of a part addresses; those in ``shared`` are hosts that are there already."""
    addresses, senders, receivers = [], [], []
    scope = rng.getrandbits(64)
    for row, (high, low) in enumerate(part.hosts.tolist()):
        is_v6 = bool(part.is_v6[row])
        match Kind(part.kinds[row]):
            case Kind.GROUP:
                address = (high, low)
            case Kind.BROADCAST:
                address = lan.broadcast()
            case Kind.LINK_LOCAL:
                address = lan.link_local(is_v6)
            case _ if shared and row in shared:
                address = shared[row]
            case _ if inside[row]:
                address = lan.inside(is_v6)
            case _:
                address = lan.outside(is_v6, scope, high)
        sender = lan.mac(address) if inside[row] else lan.gateway_mac
        is_group = part.kinds[row] in (Kind.GROUP, Kind.BROADCAST)
        addresses.append(address)
        senders.append(sender)
        receivers.append(group_mac(address) if is_group else sender)
    macs = [np.frombuffer(b"".join(each), np.uint8).reshape(-1, 6) for each in (senders, receivers)]
    return Placement(part, times, inside, tuple(addresses), *macs)


def ipv4_checksums(headers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RFC 791, 3.1 and RFC 1071: ``(n, 2)`` of ``(n, ≥ 60)`` bytes that begin with IPv4 headers."""
    words = np.ascontiguousarray(headers[:, : 2 * _MOST_WORDS]).view(">u2").astype(np.uint32)
    words[:, 5] = 0  # the checksum itself
    length = (headers[:, :1] & 0xF).astype(np.int64) * 2
    words[np.arange(_MOST_WORDS) >= length] = 0
    total = words.sum(axis=1)
    for _ in range(2):  # carries of carries
        total = (total & 0xFFFF) + (total >> 16)
    return (~total).astype(">u2").view(np.uint8).reshape(-1, 2)
