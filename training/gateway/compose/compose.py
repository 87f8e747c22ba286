"""Compose a gateway: benign traffic of many captures, with attacks of others among it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.gateway.compose.addresses import Address, Lan
from training.gateway.compose.clock import redrawn
from training.gateway.compose.composition import Composition
from training.gateway.compose.conversations import NS
from training.gateway.compose.parts import Kind, Part
from training.gateway.compose.placement import Placement, place
from training.gateway.compose.roles import inside, leanings
from training.gateway.compose.stock import Stock

_FEWEST_HOSTS: Final = 5  # inside that speak and do nothing but good
_MOST_HOSTS: Final = 40
_BENIGN_PACKETS: Final = (2_000, 10_000)  # as the parts allow
_MOST_ATTACKS: Final = 6
_SHARED: Final = 0.5  # of attacks, those that begin or end at a host that others use too
_YEAR: Final = 1_704_067_200  # 2024 began, UNIX seconds
_YEAR_S: Final = 366 * 86_400


@dataclass(frozen=True, slots=True)
class _Role:
    """A part, and which of its hosts are inside."""

    part: Part
    inside: NDArray[np.bool_]

    @property
    def members(self) -> NDArray[np.bool_]:
        """Hosts that live inside and speak."""
        lives = np.isin(self.part.kinds, (Kind.PUBLIC, Kind.PRIVATE))
        return np.asarray(self.inside & lives & self.part.speaks)


def compose(parts: Sequence[Part], seed: int, minutes: float) -> Composition:
    """Draw parts, and give them a time and places on one network.

    Benign parts are drawn until a number of packets that is drawn too, with at least 5 hosts and
    about 40 at most; then 0 to 6 attacks. Hosts of different parts are different hosts, but for
    attacks at a host of a benign part.

    Args:
        parts: of captures of one split.
        seed: the same gives the same traffic.
        minutes: that the gateway is watched.

    Raises:
        CorpusError: there is no benign part that lasts at most ``minutes``.
    """
    rng = Random(seed)
    stock = Stock(parts, minutes)
    benign = _draw_benign(stock, rng)
    count = rng.randint(0, _MOST_ATTACKS)
    attacks = [_Role(part, inside(part, rng)) for part in islice(stock.attacks(rng), count)]
    roles = [*benign, *attacks]
    avoid = {(hi, lo) for role in roles for hi, lo in role.part.hosts.tolist()}
    room = sum(int((role.inside & ~role.part.is_v6).sum()) for role in roles)
    lan = Lan(rng, room, avoid)
    begin_ns = (_YEAR + rng.randrange(_YEAR_S)) * NS
    length_ns = round(minutes * 60 * NS)
    placements: list[Placement] = []
    for role in benign:
        times = begin_ns + _times(role.part, length_ns, rng)
        placements.append(place(role.part, times, role.inside, lan, rng))
    hosts = _Hosts(benign, placements)
    for role in attacks:
        times = begin_ns + _times(role.part, length_ns, rng)
        placements.append(_place_attack(role, times, lan, rng, hosts, placements))
    return Composition(seed, tuple(placements))


def _draw_benign(stock: Stock, rng: Random) -> list[_Role]:
    wanted = rng.randint(*_BENIGN_PACKETS)
    roles: list[_Role] = []
    hosts = packets = 0
    for part in stock.benign(rng):
        role = _Role(part, inside(part, rng))
        roles.append(role)
        hosts += int(role.members.sum())
        packets += len(part.times)
        if hosts >= _MOST_HOSTS or (hosts >= _FEWEST_HOSTS and packets >= wanted):
            break
    return roles


def _times(part: Part, length_ns: int, rng: Random) -> NDArray[np.int64]:
    """A part's packets from the gateway's first moment on; it may begin at any time that fits."""
    times = part.times
    if part.family is None:
        times = redrawn(times, part.idle, length_ns, rng)
    return times + rng.randint(0, length_ns - int(times[-1]))


class _Hosts:
    """Hosts of benign parts at which attacks may begin or end, each once."""

    def __init__(self, roles: Sequence[_Role], placements: Sequence[Placement]) -> None:
        self._free: dict[tuple[bool, bool], list[Address]] = {}
        for role, placement in zip(roles, placements, strict=True):
            opens = leanings(role.part)[0]
            for row in np.flatnonzero(role.members).tolist():
                kind = bool(role.part.is_v6[row]), bool(opens[row])
                self._free.setdefault(kind, []).append(placement.addresses[row])

    def take(self, is_v6: bool, opens: bool, rng: Random) -> Address | None:
        """One that opens flows or one that answers them, the other kind if there is none."""
        free = self._free.get((is_v6, opens)) or self._free.get((is_v6, not opens))
        return free.pop(rng.randrange(len(free))) if free else None


def _place_attack(
    role: _Role,
    times: NDArray[np.int64],
    lan: Lan,
    rng: Random,
    hosts: _Hosts,
    others: Sequence[Placement],
) -> Placement:
    """Place an attack, at times at a host that is there already, unless flows would meet there."""
    alone = place(role.part, times, role.inside, lan, rng)
    shared = _shared_host(role, rng, hosts) if rng.random() < _SHARED else {}
    if not shared:
        return alone
    guest = place(role.part, times, role.inside, lan, rng, shared)
    there = {flow.key for other in others for flow in other.flows}
    meeting = [len(there & {flow.key for flow in each.flows}) for each in (guest, alone)]
    return guest if meeting[0] == meeting[1] else alone


def _shared_host(role: _Role, rng: Random, hosts: _Hosts) -> dict[int, Address]:
    """The host inside with most malicious flows, and the address of one that is there already."""
    part = role.part
    flows = [flow for flow in part.flows if flow.label and flow.label.malicious]
    ends = [end for flow in flows for end in (flow.src, flow.dst)]
    counts = np.bincount(ends, minlength=len(part.hosts)) * role.members
    row = int(counts.argmax())
    if not counts[row]:
        return {}
    address = hosts.take(bool(part.is_v6[row]), bool(leanings(part)[0][row]), rng)
    return {} if address is None else {row: address}
