"""Files moved: backups, shares, prints."""

from __future__ import annotations

from training.gateway.synth.benign.web import TLS_DATA, tls
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire

SMB_LOGIN = ((240, 330), (220, 360), (640, 150), (180, 140), (330, 1_200))
_SMB = b"\0\0\0\xfeSMB"


def backup(
    wire: Wire,
    at: float,
    client: Host,
    server: Host,
    size: int,
    port: int,
    block: tuple[int, int] = (60_000, 130_000),
    rest: tuple[float, float] = (0.05, 0.6),
    rate: float = 4e6,
) -> None:
    """What changed, block by block, uploaded to a server that acknowledges each."""
    tcp = tls(wire, at, client, server, "backup", port)
    remaining = size
    while remaining > 0:
        part = min(remaining, wire.random.randint(*block))
        tcp.send(client, part, TLS_DATA, rate=rate)
        tcp.send(server, wire.random.randint(90, 140), TLS_DATA)
        tcp.pause(wire.random.uniform(*rest))
        remaining -= part
    tcp.close()


def file_share(
    wire: Wire,
    at: float,
    client: Host,
    server: Host,
    reads: list[int],
    family: str = "file sharing",
    think: tuple[float, float] = (0.5, 8),
) -> None:
    """SMB: negotiate, log in, list, then read (or, negative, write) files of so many bytes."""
    tcp = Tcp(wire, at, client, server, 445, family).open()
    for request, response in SMB_LOGIN:
        tcp.send(client, request, _SMB)
        tcp.send(server, response, _SMB)
    for size in reads:
        tcp.send(client, 117 if size > 0 else 112 - size, _SMB)
        tcp.send(server, 84 + max(size, 0), _SMB, rate=2e7)
        tcp.pause(wire.random.uniform(*think))
    tcp.close()


def nfs(wire: Wire, at: float, client: Host, server: Host, calls: int) -> None:
    """NFS over TCP: attributes asked for, now and then a block read or written."""
    tcp, dice = Tcp(wire, at, client, server, 2049, "file sharing").open(), wire.random
    for _ in range(calls):
        kind = dice.random()
        read, written = (kind < 0.2) * 32_768, (kind > 0.92) * 16_384
        tcp.send(client, dice.randint(120, 220) + written)
        tcp.send(server, dice.randint(100, 260) + read, rate=2e7)
        tcp.pause(dice.lognormvariate(-1, 1.5))


def printing(wire: Wire, at: float, client: Host, printer: Host, size: int) -> None:
    """IPP: ask for the printer's state, send the pages."""
    tcp = Tcp(wire, at, client, printer, 631, "printing").open()
    tcp.send(client, 480, b"POST /ipp/print HTTP/1.1\r\n")
    tcp.send(printer, 1_350, b"HTTP/1.1 200 OK\r\n")
    tcp.send(client, size, b"POST /ipp/print HTTP/1.1\r\n", rate=1e6)
    tcp.send(printer, 330, b"HTTP/1.1 200 OK\r\n")
    tcp.close()
