"""Spreading: from one infected machine to others, by an intruder's hand or a worm's."""

from __future__ import annotations

from collections.abc import Callable

from training.gateway.synth.attacks.scan import Probes, State
from training.gateway.synth.benign.files import SMB_LOGIN, file_share
from training.gateway.synth.benign.login import managed, remote_desktop
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire

LATERAL_PORTS = (445, 135, 3389, 5985, 5986)
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
    elif port == 3389:
        remote_desktop(wire, at, intruder, target, dice.uniform(5, 40), _LATERAL)
    else:
        managed(wire, at, intruder, target, port, dice.randint(2, 8), _LATERAL)


def worm(
    wire: Wire, bot: Host, probes: Probes, state: Callable[[Host, int], State], payload: int
) -> None:
    """Telnet or SMB tried everywhere; who answers is logged in to and infected."""
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
        else:
            _telnet(tcp.open(), payload)


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
