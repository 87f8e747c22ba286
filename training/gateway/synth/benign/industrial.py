"""Machines that steer machines: the same small question, cycle after cycle, for ever."""

from __future__ import annotations

from typing import Final

from training.gateway.synth.benign.datagrams import question
from training.gateway.synth.benign.protocols import Protocol
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp

_FAMILY = "industrial"
_PROTOCOLS: Final = (
    Protocol(502, (), (12, 12), (11, 260)),  # Modbus
    Protocol(102, ((22, 22), (25, 27)), (31, 120), (27, 250)),  # S7
    Protocol(20_000, (), (18, 60), (17, 290)),  # DNP3
    Protocol(44_818, ((28, 28),), (50, 140), (40, 500)),  # EtherNet/IP
    Protocol(4840, ((60, 28), (130, 135), (150, 500)), (90, 300), (80, 900)),  # OPC UA
    Protocol(2404, ((6, 6),), (6, 16), (6, 250)),  # IEC 60870-5-104
    Protocol(1911, ((70, 300),), (30, 200), (30, 400)),  # Fox
    Protocol(9600, ((20, 24),), (26, 60), (24, 200)),  # FINS
)
_BACNET = 47_808


def poll(site: Site, machine: Machine) -> None:
    """A master asks its controllers in turn, on lines kept open or on a new one each time."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    protocol, every = dice.choice(_PROTOCOLS).as_used(dice), spread(dice, 0.1, 30)
    jitter, down = dice.choice((0.0, 0.01, 0.1)), dice.choice((0, 0, 0.25))
    anew = dice.random() < 0.3
    controllers = site.part(machine, 1, 10, "thing")
    cycles = spread_int(dice, 5, max(6, (60 if anew else 180) // len(controllers)))
    for each in controllers:
        begun, dead = at + dice.uniform(0, 1), dice.random() < down
        line = None
        if not anew and not dead:
            line = protocol.begin(wire, begun, machine.host, each.host, _FAMILY)
        for _ in range(cycles):
            if begun > wire.end:
                break
            if dead:
                Tcp(wire, begun, machine.host, each.host, protocol.port, _FAMILY).unanswered(2)
            elif line is None:
                tcp = protocol.begin(wire, begun, machine.host, each.host, _FAMILY)
                protocol.ask(tcp).close()
            else:
                line.wait(begun)
                protocol.ask(line)
            begun += max(every, 3.0 * dead) * dice.uniform(1 - jitter, 1 + jitter)


def gather(site: Site, machine: Machine) -> None:
    """A station that is told what changed, unasked, and confirms: from afar or in the house."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    protocol, every = dice.choice(_PROTOCOLS).as_used(dice), spread(dice, 0.3, 40)
    ends = (
        (site.remote(client=True), machine.host)
        if dice.random() < 0.3
        else (machine.host, site.remote())
    )
    tcp = protocol.begin(wire, at, *ends, _FAMILY)
    for _ in range(spread_int(dice, 5, 100)):
        if tcp.now > wire.end:
            break
        tcp.send(tcp.server, dice.randint(*protocol.response))
        tcp.send(tcp.client, dice.randint(6, 20))
        tcp.pause(dice.expovariate(1 / every))


def automate_building(site: Site, machine: Machine) -> None:
    """BACnet: who is there? asked of everybody, I am from each, then values, cycle after cycle."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    ports, every, off = (_BACNET, _BACNET), spread(dice, 0.5, 60), dice.uniform(0, 0.3)
    wire.datagram(at, us, site.broadcast, ports, dice.choice((12, 18)), _FAMILY)
    controllers = site.part(machine, 1, 15, "thing")
    for each in controllers:
        late = at + dice.uniform(0.01, 2)
        wire.datagram(late, each.host, site.broadcast, ports, dice.randint(20, 27), _FAMILY)
    silent = {each.host for each in controllers if dice.random() < off}
    for nth in range(spread_int(dice, 2, max(3, 200 // len(controllers)))):
        begun = at + 3 + nth * every
        for each in controllers:
            sizes = dice.randint(17, 60), 0 if each.host in silent else dice.randint(20, 400)
            begun = question(wire, begun, us, each.host, ports, sizes, _FAMILY) + dice.uniform(
                0, 0.1
            )


def load_program(site: Site, machine: Machine) -> None:
    """An engineer reads a controller out, or writes a program to it, block by block."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    protocol = dice.choice(_PROTOCOLS).as_used(dice)
    controller, block = site.another(machine, "thing").host, dice.randint(120, 960)
    tcp = protocol.begin(wire, at, machine.host, controller, _FAMILY)
    upwards, think = dice.random() < 0.5, spread(dice, 0.005, 0.5)
    for _ in range(spread_int(dice, 10, 150)):
        tcp.converse([(block, 20) if upwards else (30, block)], think)
    tcp.close()
