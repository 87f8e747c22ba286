"""Administrators at work: SSH, remote desktops, remote management."""

from __future__ import annotations

from training.gateway.synth.benign.web import tls
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire


def ssh_greet(tcp: Tcp) -> Tcp:
    """SSH on an open connection, up to the point where the client may try to log in."""
    tcp.send(tcp.client, 41, b"SSH-2.0-OpenSSH_9.6p1\r\n")
    tcp.send(tcp.server, 41, b"SSH-2.0-OpenSSH_9.2p1\r\n")
    return tcp.converse(((1536, 1120), (48, 564), (16 + 44, 44), (60, 52)))


def _ssh(wire: Wire, at: float, client: Host, server: Host) -> Tcp:
    return ssh_greet(Tcp(wire, at, client, server, 22, "ssh").open())


def ssh_session(
    wire: Wire, at: float, client: Host, server: Host, commands: int, mistyped: int = 0
) -> None:
    """An administrator: one login, some passwords mistyped, commands typed, output read."""
    tcp = _ssh(wire, at, client, server)
    for _ in range(mistyped):
        tcp.pause(wire.random.uniform(2, 7))
        tcp.send(client, 148)
        tcp.pause(wire.random.uniform(1.2, 2.4))  # the server's delay after a failure
        tcp.send(server, 52)
    tcp.converse(((500, 28), (112, 500), (460, 108)))
    for _ in range(commands):
        for _ in range(wire.random.randint(3, 7)):
            tcp.send(client, 36)
            tcp.send(server, 36)
            tcp.pause(wire.random.uniform(0.08, 0.3))
        tcp.send(server, wire.random.randint(120, 3_000))
        tcp.pause(wire.random.uniform(2, 15))
    tcp.close()


def locked_out(wire: Wire, at: float, client: Host, server: Host, sessions: int) -> None:
    """Somebody who has forgotten a password, and tries what it may have been."""
    for _ in range(sessions):
        tcp = _ssh(wire, at, client, server)
        for _ in range(wire.random.randint(1, 3)):
            tcp.pause(wire.random.uniform(2, 9))
            tcp.converse([(148, 52)], think=1.8)
        tcp.close(wire.random.choice((client, server)))
        at = tcp.now + wire.random.uniform(2, 25)


def remote_desktop(
    wire: Wire, at: float, client: Host, server: Host, seconds: float, family: str = "desktop"
) -> None:
    """RDP: X.224, TLS and CredSSP, then input up and the screen down."""
    tcp, dice = Tcp(wire, at, client, server, 3389, family).open(), wire.random
    tcp.converse(((47, 19), (517, 1_300), (130, 51), (820, 330), (640, 130), (450, 400)))
    end = tcp.now + seconds
    while tcp.now < end:
        for _ in range(dice.randint(1, 8)):
            tcp.send(client, dice.randint(45, 130))
            tcp.pause(dice.uniform(0.03, 0.3))
        tcp.send(server, min(30_000, int(dice.lognormvariate(6.8, 1.3))))
        tcp.pause(dice.expovariate(0.8))
    tcp.close()


def managed(
    wire: Wire, at: float, client: Host, server: Host, port: int, calls: int, family: str
) -> None:
    """WinRM (5985, 5986) or WMI over DCOM (135, then a high port): ask, and read the answer."""
    dice = wire.random
    if port == 5986:
        tcp = tls(wire, at, client, server, family, port)
    else:
        tcp = Tcp(wire, at, client, server, port, family).open()
    tcp.converse(((116 + dice.randint(0, 60), 84 + dice.randint(0, 200)), (620, 190)))
    if port == 135:
        tcp.close()
        high = dice.randint(49664, 49720)
        tcp = Tcp(wire, tcp.now + 0.01, client, server, high, family).open()
        tcp.converse(((170, 360), (590, 80)))
    for _ in range(calls):
        size = int(dice.lognormvariate(7, 0.9))
        tcp.converse([(dice.randint(300, 2_200), min(40_000, size))], think=0.2)
    tcp.close()
