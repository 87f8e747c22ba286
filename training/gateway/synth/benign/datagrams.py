"""Steady streams of datagrams: calls, games, tunnels."""

from __future__ import annotations

from scapy.layers.inet import UDP
from scapy.layers.rtp import RTP
from scapy.packet import Raw

from training.gateway.synth.wire import Host, Wire


def question(
    wire: Wire,
    at: float,
    client: Host,
    server: Host,
    ports: tuple[int, int],
    sizes: tuple[int, int],
    family: str,
) -> float:
    """A datagram, and its answer unless its size is 0; returns when that passes, or would."""
    wire.datagram(at, client, server, ports, sizes[0], family)
    late = at + wire.lag(server)
    if sizes[1]:
        wire.datagram(late, server, client, (ports[1], ports[0]), sizes[1], family)
    return late


def call(wire: Wire, at: float, phone: Host, peer: Host, seconds: float) -> None:
    """SIP around RTP both ways: a 50-byte iLBC frame every 30 ms."""
    ring, answer = at + 0.08, at + 3.5
    bye = answer + seconds
    for when, sender, size in (
        (at, phone, 860),
        (ring, peer, 380),
        (answer, peer, 790),
        (answer + 0.01, phone, 410),
        (bye, phone, 430),
        (bye + peer.delay, peer, 340),
    ):
        receiver = peer if sender is phone else phone
        wire.datagram(when, sender, receiver, (5060, 5060), size, "voip", b"SIP/2.0".ljust(size))
    ports = {phone: wire.port() & ~1, peer: wire.port() & ~1}
    for sender, receiver in ((phone, peer), (peer, phone)):
        source = wire.random.getrandbits(32)
        for index in range(int(seconds / 0.03)):
            rtp = RTP(payload_type=97, sequence=index, timestamp=240 * index, sourcesync=source)
            datagram = UDP(sport=ports[sender], dport=ports[receiver]) / rtp / Raw(bytes(50))
            when = answer + 0.02 + index * 0.03 + abs(wire.random.gauss(0, sender.delay / 30))
            wire.put(when, sender, receiver, datagram, "voip")


def media(
    wire: Wire,
    at: float,
    until: float,
    ends: tuple[Host, Host],
    ports: tuple[int, int],
    every: float,
    sizes: tuple[int, int],
    both: bool,
    family: str = "call",
) -> None:
    """RTP from the first end, and from the second too if ``both``: one every so many seconds."""
    directions = [(*ends, ports), (*ends[::-1], ports[::-1])][: 1 + both]
    for sender, receiver, (source, target) in directions:
        moment = at + wire.random.uniform(0, every)
        while moment < until:
            late = moment + abs(wire.random.gauss(0, sender.delay / 10))
            size = wire.random.randint(*sizes)
            pair = source, target
            wire.datagram(late, sender, receiver, pair, size, family, b"\x80\x6f")
            moment += every


def game(wire: Wire, at: float, until: float, player: Host, server: Host, port: int) -> None:
    """Moves up at the client's tick, the world down at the server's."""
    dice, ports = wire.random, (wire.port(player), port)
    small, large = dice.randint(30, 90), dice.randint(80, 500)
    for sender, receiver, pair, tick, size in (
        (player, server, ports, 1 / dice.uniform(5, 20), small),
        (server, player, ports[::-1], 1 / dice.uniform(5, 20), large),
    ):
        moment = at + (sender is server) * wire.lag(server)
        while moment < until:
            length = max(12, int(dice.gauss(size, size / 5)))
            wire.datagram(moment, sender, receiver, (pair[0], pair[1]), length, "game")
            moment += tick * dice.uniform(0.9, 1.1)


def tunnel(
    wire: Wire, at: float, until: float, client: Host, server: Host, port: int, every: float
) -> None:
    """A VPN over UDP: somebody's pages inside it, in bursts, and keep-alives."""
    dice, ports = wire.random, (wire.port(client), port)
    back = ports[1], ports[0]
    wire.datagram(at, client, server, ports, 148, "vpn")  # WireGuard's handshake
    wire.datagram(at + wire.lag(server), server, client, back, 92, "vpn")
    while at < until:
        at += dice.expovariate(1 / every)
        if dice.random() < 0.4:
            wire.datagram(at, client, server, ports, 32, "vpn")
            continue
        wire.datagram(at, client, server, ports, dice.randint(96, 700), "vpn")
        moment = at + wire.lag(server)
        for nth in range(min(50, int(dice.lognormvariate(1.6, 1)))):
            wire.datagram(moment, server, client, back, dice.choice((1452, 1452, 600)), "vpn")
            moment += dice.expovariate(2000)
            if nth % 2:
                wire.datagram(moment, client, server, ports, 96, "vpn")
