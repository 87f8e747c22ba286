"""Mail fetched and sent."""

from __future__ import annotations

from training.gateway.synth.benign.web import TLS_DATA, tls
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire


def mail_fetch(wire: Wire, at: float, client: Host, server: Host) -> None:
    """IMAP over TLS: log in, list, fetch what is new."""
    tcp = tls(wire, at, client, server, "mail", 993)
    for request, response in ((70, 130), (45, 90), (60, 1_900), (52, 9_000), (33, 80)):
        tcp.send(client, request + wire.random.randint(0, 30), TLS_DATA)
        tcp.pause(wire.random.uniform(0.005, 0.05))
        tcp.send(server, response + wire.random.randint(0, response), TLS_DATA)
    tcp.close()


def mail_send(
    wire: Wire, at: float, client: Host, server: Host, size: int, port: int = 587
) -> None:
    """SMTP, by default submission, with STARTTLS."""
    tcp = Tcp(wire, at, client, server, port, "mail").open()
    tcp.send(server, 42, b"220 mail.example ESMTP\r\n")
    tcp.converse(((23, 150), (10, 30), (517, 3_100), (80, 60), (70, 40), (90, 44)))
    tcp.send(client, size, TLS_DATA)
    tcp.send(server, 60, TLS_DATA)
    tcp.close()
