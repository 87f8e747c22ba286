"""The web: pages over TLS, HTTP and QUIC, video, downloads."""

from __future__ import annotations

from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire

TLS_HELLO = b"\x16\x03\x01\x02\x00\x01"
TLS_HANDSHAKE = b"\x16\x03\x03\x00\x7a\x02"
TLS_CHANGE_CIPHER = b"\x14\x03\x03\x00\x01\x01"
TLS_DATA = b"\x17\x03\x03"
_QUIC_DATAGRAM = 1200  # least size of an initial (RFC 9000, 14.1)


def tls(wire: Wire, at: float, client: Host, server: Host, family: str, port: int = 443) -> Tcp:
    """A connection with its TLS 1.3 handshake done."""
    return tls_handshake(Tcp(wire, at, client, server, port, family).open())


def tls_handshake(tcp: Tcp) -> Tcp:
    """The handshake on an open connection: certificates of 2.7 to 4.3 kB."""
    tcp.send(tcp.client, tcp.client.stack.hello, TLS_HELLO)
    tcp.send(tcp.server, tcp.wire.random.randint(2700, 4300), TLS_HANDSHAKE)
    tcp.send(tcp.client, 80, TLS_CHANGE_CIPHER)
    return tcp


def tls_resumed(wire: Wire, at: float, client: Host, server: Host, family: str, port: int) -> Tcp:
    """With a session ticket: no certificate passes (RFC 8446, 2.2)."""
    tcp = Tcp(wire, at, client, server, port, family).open()
    tcp.send(client, client.stack.hello + wire.random.randint(0, 250), TLS_HELLO)
    tcp.send(server, wire.random.randint(130, 330), TLS_HANDSHAKE)
    tcp.send(client, wire.random.randint(58, 80), TLS_CHANGE_CIPHER)
    return tcp


def web_page(
    wire: Wire,
    at: float,
    client: Host,
    servers: list[Host],
    stay: tuple[float, float] = (5, 60),
) -> None:
    """A page: a request to the first server, then objects from all of them."""
    tcp = tls(wire, at, client, servers[0], "web")
    tcp.send(client, wire.random.randint(420, 900), TLS_DATA)
    tcp.pause(wire.random.uniform(0.02, 0.15))
    tcp.send(servers[0], wire.random.randint(6_000, 24_000), TLS_DATA)
    _objects(wire, tcp, wire.random.randint(1, 4))
    for server in servers[1:]:
        other = tls(wire, tcp.now + wire.random.uniform(0, 0.2), client, server, "web")
        _objects(wire, other, wire.random.randint(1, 3))
        other.pause(wire.random.uniform(5, 30))
        other.close()
    tcp.pause(wire.random.uniform(*stay))
    tcp.close()


def _objects(wire: Wire, tcp: Tcp, count: int) -> None:
    for _ in range(count):
        tcp.send(tcp.client, wire.random.randint(180, 520), TLS_DATA)
        tcp.pause(wire.random.expovariate(20))
        tcp.send(tcp.server, int(wire.random.lognormvariate(8.3, 1.0)) + 200, TLS_DATA)
        tcp.pause(wire.random.expovariate(4))


def requests(tcp: Tcp, count: int, think: float, median: float) -> Tcp:
    """Requests on a connection that is kept alive; responses are heavy-tailed about ``median``."""
    dice = tcp.wire.random
    for _ in range(count):
        tcp.send(tcp.client, int(dice.lognormvariate(5.9, 0.5)), TLS_DATA)
        tcp.pause(dice.expovariate(12))
        size = min(90_000, int(median * dice.lognormvariate(0, 1.3)) + 90)
        tcp.send(tcp.server, size, TLS_DATA, rate=dice.uniform(5e5, 2e7))
        tcp.pause(dice.expovariate(1 / think))
    return tcp


def abandon(tcp: Tcp, idle: float) -> None:
    """An idle connection ends as they do: either side closes, is reset, or it just stays."""
    tcp.pause(idle)
    end = tcp.wire.random.random()
    if end < 0.45:
        tcp.close()
    elif end < 0.65:
        tcp.close(tcp.server)
    elif end < 0.8:
        tcp.reset(tcp.client)


def quic_page(wire: Wire, at: float, client: Host, server: Host, objects: int) -> None:
    """HTTP/3: initials of full size, then small requests and bursts of datagrams back."""
    ports, dice = (wire.port(client), 443), wire.random
    back = ports[::-1]

    def up(size: int) -> None:
        wire.datagram(at, client, server, ports, size, "web", b"\xc3\0\0\0\1")

    up(_QUIC_DATAGRAM + dice.randint(0, 157))
    at += wire.lag(server)
    for _ in range(dice.randint(2, 5)):
        wire.datagram(at, server, client, back, dice.randint(1200, 1252), "web", b"\xe3\0\0\0\1")
        at += dice.uniform(1e-4, 2e-3)
    for _ in range(objects):
        up(dice.randint(60, 700))
        at += wire.lag(server) + dice.expovariate(30)
        for nth in range(min(60, int(dice.lognormvariate(1.5, 1.1)) + 1)):
            wire.datagram(at, server, client, back, dice.randint(600, 1252), "web", b"\x43")
            at += dice.expovariate(3000)
            if nth % 4 == 3:
                up(dice.randint(32, 48))
        at += dice.expovariate(0.7)


def video(
    wire: Wire,
    at: float,
    client: Host,
    server: Host,
    chunks: int,
    every: float = 5.0,
    size: tuple[int, int] = (55_000, 85_000),
    rate: float = 2.5e6,
) -> None:
    """A stream: a chunk fetched every few seconds, faster than it plays."""
    tcp = tls(wire, at, client, server, "video")
    for _ in range(chunks):
        tcp.send(client, wire.random.randint(480, 560), TLS_DATA)
        tcp.pause(0.008)
        begun = tcp.now
        tcp.send(server, wire.random.randint(*size), TLS_DATA, rate=rate)
        tcp.wait(begun + wire.random.gauss(every, every / 25))
    tcp.close()


def download(tcp: Tcp, size: int, rate: float) -> None:
    """A file, on an open connection."""
    tcp.send(tcp.client, tcp.wire.random.randint(140, 700), TLS_DATA)
    tcp.pause(tcp.wire.random.expovariate(20))
    tcp.send(tcp.server, size, TLS_DATA, rate=rate)
    abandon(tcp, tcp.wire.random.uniform(0, 20))
