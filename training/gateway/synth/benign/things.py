"""Things that report on a clock, and programs that keep a line open."""

from __future__ import annotations

from training.gateway.synth.benign.web import TLS_DATA, tls, tls_resumed
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire


def telemetry(
    wire: Wire,
    at: float,
    until: float,
    client: Host,
    server: Host,
    every: float,
    jitter: float = 0.02,
    report: tuple[int, int] = (110, 260),
    port: int = 8883,
) -> None:
    """MQTT over TLS: a reading now and then, keep-alives between, one connection for all.

    Between two of them pass ``every`` seconds, with a deviation of ``jitter`` seconds.
    """
    tcp = tls(wire, at, client, server, "iot", port)
    while tcp.now < until:
        reports = wire.random.random() < 0.3
        tcp.send(client, wire.random.randint(*report) if reports else 24, TLS_DATA)
        tcp.send(server, 26 if reports else 24, TLS_DATA)
        tcp.pause(max(0.0, wire.random.gauss(every, jitter)))


def polling(
    wire: Wire,
    at: float,
    until: float,
    client: Host,
    server: Host,
    every: float,
    jitter: float,
    port: int,
    family: str = "iot",
) -> None:
    """A connection each time: weather, thermostats, software that looks for updates."""
    dice = wire.random
    request, response = dice.randint(120, 900), int(dice.lognormvariate(6, 1)) + 60
    while at < until:
        if port in (443, 8443):
            tcp = tls_resumed(wire, at, client, server, family, port)
        else:
            tcp = Tcp(wire, at, client, server, port, family).open()
        tcp.send(client, request + dice.randint(0, 12), TLS_DATA)
        news = dice.random() < 0.06
        tcp.send(server, response * (8 if news else 1) + dice.randint(0, 40), TLS_DATA)
        tcp.close(dice.choice((client, server)))
        at += every * dice.uniform(1 - jitter, 1 + jitter)


def push_channel(
    wire: Wire, at: float, until: float, client: Host, server: Host, port: int, every: float
) -> None:
    """Notifications and chat: a long connection, heartbeats, messages either way."""
    tcp, dice = tls(wire, at, client, server, "push", port), wire.random
    beat = dice.randint(24, 90)
    while tcp.now < until:
        kind = dice.random()
        if kind < 0.4:
            tcp.converse([(beat, beat)])
        elif kind < 0.75:
            tcp.send(server, dice.randint(120, 900), TLS_DATA)
            tcp.send(client, dice.randint(30, 110), TLS_DATA)
        else:
            tcp.send(client, dice.randint(90, 600), TLS_DATA)
            tcp.send(server, dice.randint(40, 120), TLS_DATA)
        tcp.pause(dice.expovariate(1 / every) if dice.random() < 0.5 else every)
