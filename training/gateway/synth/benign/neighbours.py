"""What machines tell their own network by ICMP: that IPv6 comes up, that nobody listens here."""

from __future__ import annotations

import struct
from typing import Final

from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.icmp import unreachable
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.wire import Host

_FAMILY: Final = "infrastructure"
_ROUTERS: Final = Host("33:33:00:00:00:02", "ff02::2")
_REPORTS: Final = Host("33:33:00:00:00:16", "ff02::16")
_SOLICIT_ROUTER, _SOLICIT, _ADVERTISE, _REPORT = 133, 135, 136, 143  # RFC 4861, RFC 3810
_DISCOVERY: Final = (1900, 5353, 5355, 3702, 137)


def come_up(site: Site, machine: Machine) -> None:
    """A link comes up: routers are asked for, groups joined, the own address and others asked for.

    RFC 4861, 6.3.4; RFC 4862, 5.4; RFC 3810, 5.2.
    """
    dice, wire, at = site.wire.random, site.wire, site.moment()
    local = machine.host
    tail = f"{dice.getrandbits(16):x}:{dice.getrandbits(16):x}"
    me = Host(local.mac, f"fe80::{tail}", local.delay, 255, local.vlan)
    for _ in range(dice.randint(1, 3)):
        wire.message(at, me, _ROUTERS, _header(_SOLICIT_ROUTER), dice.choice((0, 8)), _FAMILY)
        for _ in range(dice.randint(1, 3)):
            groups = 20 * dice.randint(1, 5)
            later = at + dice.uniform(0, 1)
            wire.message(later, me, _REPORTS, _header(_REPORT), groups, _FAMILY)
        at += 4 * dice.uniform(0.9, 1.1)
    for _ in range(dice.randint(0, 4)):
        other = Host(
            "33:33:ff:00:00:01", f"ff02::1:ff{dice.getrandbits(8):02x}:{dice.getrandbits(16):x}"
        )
        wire.message(at, me, other, _header(_SOLICIT), dice.choice((16, 24)), _FAMILY)
        at += spread(dice, 0.1, 20)


def keep_neighbour(site: Site, machine: Machine) -> None:
    """Two machines that make sure of each other by IPv6 now and then (RFC 4861, 7.3.3)."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    ends = [
        Host(each.mac, f"fe80::{number}:{dice.getrandbits(16):x}", each.delay, 255, each.vlan)
        for number, each in ((1, machine.host), (2, site.gateway))
    ]
    every = spread(dice, 5, 60)
    for _ in range(spread_int(dice, 1, 20)):
        me, other = dice.sample(ends, 2)
        wire.message(at, me, other, _header(_SOLICIT), 24, _FAMILY)
        late = at + wire.lag(other)
        wire.message(late, other, me, _header(_ADVERTISE), dice.choice((16, 24)), _FAMILY)
        at += every * dice.uniform(0.7, 1.3)


def refuse_late_answers(site: Site, machine: Machine) -> None:
    """Answers to a search that has been given up: nobody listens there any more."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    me, port, service = machine.host, wire.port(machine.host), dice.choice(_DISCOVERY)
    for other in site.part(machine, 1, 6, "thing", "media", "desktop", "printer"):
        for _ in range(dice.randint(1, 4)):
            size = spread_int(dice, 40, 500)
            wire.datagram(at, other.host, me, (service, port), size, _FAMILY)
            unreachable(wire, at + wire.lag(me), me, other.host, size, _FAMILY)
            at += spread(dice, 0.001, 2)


def _header(kind: int) -> bytes:
    return struct.pack("!BBHI", kind, 0, 0, 0)
