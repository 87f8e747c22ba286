"""Spreading: from one infected machine to others, by an intruder's hand or a worm's."""

from __future__ import annotations

from collections.abc import Callable

from training.gateway.synth.attacks.scan import Probes, State
from training.gateway.synth.benign.files import SMB_LOGIN, file_share
from training.gateway.synth.benign.login import managed, remote_desktop, ssh_greet
from training.gateway.synth.icmp import unreachable
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire

LATERAL_PORTS = (445, 445, 135, 3389, 5985, 5986, 22)
_LATERAL = "lateral movement"


def lateral(wire: Wire, at: float, intruder: Host, target: Host, port: int, found: State) -> None:
    """One machine entered, or tried, through SMB, WMI, RDP or WinRM."""
    dice = wire.random
    if found == "silent":
        Tcp(wire, at, intruder, target, port, _LATERAL).unanswered(dice.randint(1, 3))
    elif found == "closed":
        Tcp(wire, at, intruder, target, port, _LATERAL).refused()
    elif port == 445:  # a tool is copied and started as a service, as psexec does
        steps = [-dice.randint(20_000, 140_000), *dice.sample(range(200, 4_000), 3)]
        file_share(wire, at, intruder, target, steps, _LATERAL, (0.05, 3))
        if dice.random() < 0.5:  # and is controlled through remote calls
            managed(wire, at + 1, intruder, target, 135, dice.randint(1, 6), _LATERAL)
    elif port == 22:
        steps_in = [(dice.randint(60, 30_000), dice.randint(36, 900)) for _ in range(4)]
        tcp = ssh_greet(Tcp(wire, at, intruder, target, port, _LATERAL).open())
        tcp.converse(((500, 28), (112, 500), (460, 108), *steps_in), think=0.5).close()
    elif port == 3389:
        remote_desktop(wire, at, intruder, target, dice.uniform(5, 40), _LATERAL)
    else:
        managed(wire, at, intruder, target, port, dice.randint(2, 8), _LATERAL)


def worm(
    wire: Wire, bot: Host, probes: Probes, state: Callable[[Host, int], State], payload: int
) -> None:
    """One service tried everywhere; who answers is logged in to, or overrun, and infected."""
    for at, target, port in probes:
        tcp, found = Tcp(wire, at, bot, target, port, "worm"), state(target, port)
        if found == "silent":
            tcp.unanswered(wire.random.randint(1, 2))
        elif found == "closed":
            tcp.refused()
        elif port == 445:
            tcp.open().converse(SMB_LOGIN[:4])
            tcp.send(bot, payload)
            tcp.close()
        elif port in (23, 2323, 5555):
            _telnet(tcp.open(), payload)
        elif port == 22:
            ssh_greet(tcp.open()).converse([(148, 52)] * wire.random.randint(1, 4), think=1.5)
            tcp.close(wire.random.choice((bot, target)))
        else:
            tcp.open().converse([(wire.random.randint(40, 1_800), wire.random.randint(20, 400))])
            tcp.close(wire.random.choice((bot, target)))


def worm_by_datagram(wire: Wire, bot: Host, probes: Probes, port: int, size: int) -> None:
    """The whole of it in one datagram to everybody, as Slammer did at port 1434; few refuse."""
    source = wire.port(bot)
    for at, target, _ in probes:
        wire.datagram(at, bot, target, (source, port), size, "worm")
        if wire.random.random() < 0.04:
            unreachable(wire, at + wire.lag(target), target, bot, size, "worm")


def _telnet(tcp: Tcp, payload: int) -> None:
    """Default passwords, then a shell into which a loader is echoed."""
    dice = tcp.wire.random
    tcp.send(tcp.server, dice.randint(12, 60))
    for _ in range(dice.randint(1, 4)):
        tcp.converse(((dice.randint(5, 9), 10), (dice.randint(4, 12), 18)), think=0.3)
    if dice.random() < 0.4:
        for _ in range(dice.randint(3, 9)):
            tcp.converse([(dice.randint(20, 140), dice.randint(10, 90))])
        tcp.send(tcp.client, payload)
    tcp.close(dice.choice((tcp.client, tcp.server)))
