"""Brute force: passwords tried until one fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from training.gateway.synth.benign.login import ssh_greet
from training.gateway.synth.benign.web import tls_handshake
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire


@dataclass(frozen=True)
class Dialogue:
    """How a service asks for a password."""

    port: int
    greet: Callable[[Tcp], Tcp]
    attempt: tuple[tuple[int, int], ...]  # bytes of requests and responses
    delay: tuple[float, float] = (0.05, 0.4)  # s before the last response
    spread: int = 0  # by how much a request's length varies


def _banner(size: int, *pairs: tuple[int, int]) -> Callable[[Tcp], Tcp]:
    def greet(tcp: Tcp) -> Tcp:
        tcp.send(tcp.server, size)
        return tcp.converse(pairs)

    return greet


def _rdp_greet(tcp: Tcp) -> Tcp:
    """X.224 and TLS; CredSSP follows with the password."""
    return tcp.converse(((47, 19), (517, 1_300), (130, 51)))


SSH: Final = Dialogue(22, ssh_greet, ((148, 52),), (1.2, 2.4))
DIALOGUES: Final = (
    SSH,
    Dialogue(2222, ssh_greet, ((148, 52),), (0.8, 2.6)),
    Dialogue(3389, _rdp_greet, ((820, 330), (640, 90)), (0.1, 1.0), 60),
    Dialogue(21, _banner(40), ((14, 34), (16, 22)), (0.5, 3.0), 8),
    Dialogue(23, _banner(24, (12, 15), (30, 42)), ((7, 12), (8, 28)), (0.8, 3.0), 6),
    Dialogue(80, lambda tcp: tcp, ((420, 2_600),), (0.02, 0.3), 30),
    Dialogue(8080, lambda tcp: tcp, ((380, 420),), (0.02, 0.3), 30),
    Dialogue(443, tls_handshake, ((560, 2_900),), (0.05, 0.5), 30),
    Dialogue(143, _banner(90), ((28, 40),), (1.0, 3.0), 12),
    Dialogue(110, _banner(60), ((14, 12), (16, 30)), (1.0, 3.0), 10),
    Dialogue(587, _banner(50, (20, 180)), ((12, 18), (24, 18), (18, 40)), (0.5, 3.0), 14),
    Dialogue(445, lambda tcp: tcp.converse(((240, 220),)), ((170, 360), (480, 77)), (0.0, 0.1), 40),
    Dialogue(3306, _banner(95), ((120, 85),), (0.0, 0.2), 30),
    Dialogue(1433, lambda tcp: tcp.converse(((94, 43),)), ((230, 130),), (0.0, 0.2), 50),
    Dialogue(5432, lambda tcp: tcp.converse(((80, 13),)), ((41, 100),), (0.0, 0.2)),
    Dialogue(5900, _banner(12, (12, 2), (1, 16)), ((16, 30),), (0.0, 1.0)),
    Dialogue(5985, lambda tcp: tcp, ((600, 240),), (0.0, 0.3), 60),
    Dialogue(389, lambda tcp: tcp, ((60, 90),), (0.0, 0.2), 20),
    Dialogue(554, lambda tcp: tcp, ((180, 150),), (0.0, 0.2), 20),
    Dialogue(6379, lambda tcp: tcp, ((30, 40),), (0.0, 0.05), 12),
)


def ssh_brute_force(wire: Wire, at: float, attacker: Host, server: Host, sessions: int) -> None:
    """Short sessions, each with passwords refused until one side hangs up."""
    brute_force(wire, at, attacker, server, sessions, SSH, family="ssh brute force")


def brute_force(
    wire: Wire,
    at: float,
    attacker: Host,
    server: Host,
    sessions: int,
    dialogue: Dialogue,
    tries: tuple[int, int] = (1, 3),
    gap: tuple[float, float] = (1.5, 5.0),
    family: str = "brute force",
) -> None:
    """Sessions ``gap`` seconds apart, which may overlap, each with some passwords refused."""
    dice = wire.random
    for _ in range(sessions):
        tcp = dialogue.greet(Tcp(wire, at, attacker, server, dialogue.port, family).open())
        for _ in range(dice.randint(*tries)):
            _attempt(tcp, dialogue)
        tcp.close(dice.choice((attacker, server)))
        at += dice.uniform(*gap)


def guess_by_datagram(
    wire: Wire, at: float, attacker: Host, server: Host, tries: int, gap: float, one_port: bool
) -> None:
    """SIP registrations with one password after another, each refused."""
    dice, fixed = wire.random, wire.port(attacker)
    size, answer = dice.randint(360, 600), dice.randint(300, 480)
    for _ in range(tries):
        ports = (fixed if one_port else wire.port(attacker)), 5060
        wire.datagram(at, attacker, server, ports, size + dice.randint(0, 12), "brute force")
        late, back = at + wire.lag(server), (5060, ports[0])
        wire.datagram(late, server, attacker, back, answer, "brute force")
        at += gap * dice.uniform(0.5, 1.5)


def _attempt(tcp: Tcp, dialogue: Dialogue) -> None:
    dice = tcp.wire.random
    *before, (request, response) = dialogue.attempt
    tcp.converse(before)
    tcp.send(tcp.client, request + (dice.randint(0, dialogue.spread) if dialogue.spread else 0))
    tcp.pause(dice.uniform(*dialogue.delay))
    tcp.send(tcp.server, response)
