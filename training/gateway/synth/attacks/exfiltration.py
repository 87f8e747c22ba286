"""Exfiltration: what should stay leaves, at once, drop by drop, or inside another protocol."""

from __future__ import annotations

from training.gateway.synth.benign.web import TLS_DATA, tls, tls_resumed
from training.gateway.synth.icmp import echo
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire


def slow_exfiltration(
    wire: Wire, at: float, until: float, thief: Host, drop: Host, every: float
) -> None:
    """A little up, all the time, and hardly anything back."""
    tcp: Tcp = tls(wire, at, thief, drop, "slow exfiltration")
    drip(tcp, until, every, 0.05, (2_300, 2_900))


def drip(tcp: Tcp, until: float, every: float, jitter: float, size: tuple[int, int]) -> None:
    """So many bytes every so many seconds, on an open connection; ``jitter`` is a share."""
    dice = tcp.wire.random
    while tcp.now < until:
        tcp.send(tcp.client, dice.randint(*size), TLS_DATA, rate=4e5)
        tcp.pause(abs(dice.gauss(every, every * jitter)))
    tcp.reset(tcp.client)


def bulk(tcp: Tcp, size: int, block: int, rate: float, rest: float) -> None:
    """All of it, in blocks of about ``block`` bytes with ``rest`` seconds between."""
    dice = tcp.wire.random
    while size > 0:
        part = min(size, int(block * dice.uniform(0.5, 1.5)) + 1)
        tcp.send(tcp.client, part, TLS_DATA, rate=rate)
        if dice.random() < 0.7:
            tcp.send(tcp.server, dice.randint(30, 260), TLS_DATA)
        tcp.pause(dice.expovariate(1 / rest))
        size -= part
    tcp.close()


def dns_tunnel(
    wire: Wire,
    at: float,
    thief: Host,
    resolver: Host,
    questions: int,
    rate: float,
    one_port: bool,
) -> None:
    """Long names up, an acknowledgement back, as iodine and dnscat2 do."""
    dice = wire.random
    least, most = sorted((dice.randint(60, 230), dice.randint(90, 250)))
    fixed = wire.port(thief)
    for _ in range(questions):
        ports = (fixed if one_port else wire.port(thief)), 53
        size = dice.randint(least, most)
        wire.datagram(at, thief, resolver, ports, size, "exfiltration")
        late = at + wire.lag(resolver) + dice.uniform(0.01, 0.08)
        answer = size + dice.randint(16, 160)
        wire.datagram(late, resolver, thief, ports[::-1], answer, "exfiltration")
        at += dice.expovariate(rate)


def icmp_tunnel(
    wire: Wire, at: float, thief: Host, drop: Host, messages: int, rate: float, most: int
) -> None:
    """Echo requests that carry data; replies as long."""
    for seq in range(messages):
        size = most if wire.random.random() < 0.7 else wire.random.randint(40, most)
        echo(wire, at, thief, drop, size, "exfiltration", seq)
        at += wire.random.expovariate(rate)


def posts(
    wire: Wire,
    at: float,
    thief: Host,
    drops: list[Host],
    port: int,
    piece: int,
    pieces: int,
    rest: float,
) -> None:
    """Pieces of about ``piece`` bytes, each on a connection of its own, ``rest`` s between."""
    dice = wire.random
    for _ in range(pieces):
        drop = dice.choice(drops)
        if port == 443:
            tcp = tls_resumed(wire, at, thief, drop, "exfiltration", port)
        else:
            tcp = Tcp(wire, at, thief, drop, port, "exfiltration").open()
        tcp.send(thief, int(piece * dice.uniform(0.5, 1.5)) + 1, TLS_DATA)
        tcp.send(drop, dice.randint(60, 400), TLS_DATA)
        tcp.close()
        at = tcp.now + dice.expovariate(1 / rest)


def transfers(
    wire: Wire, at: float, thief: Host, drop: Host, files: list[int], rate: float
) -> None:
    """FTP: one connection for orders, and for each file another, at a port that it was told."""
    dice = wire.random
    orders = Tcp(wire, at, thief, drop, 21, "exfiltration").open()
    orders.converse(((0, 40), (14, 34), (16, 24), (8, 30)))
    for size in files:
        orders.converse(((6, dice.randint(44, 52)), (dice.randint(10, 40), 0)))
        port = dice.randint(1024, 65535)
        data = Tcp(wire, orders.now, thief, drop, port, "exfiltration").open()
        data.send(thief, size, rate=rate)
        data.close()
        orders.wait(data.now)
        orders.converse([(0, 24)])
    orders.close()
