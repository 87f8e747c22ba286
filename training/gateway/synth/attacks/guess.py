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


def _attempt(tcp: Tcp, dialogue: Dialogue) -> None:
    dice = tcp.wire.random
    *before, (request, response) = dialogue.attempt
    tcp.converse(before)
    tcp.send(tcp.client, request + (dice.randint(0, dialogue.spread) if dialogue.spread else 0))
    tcp.pause(dice.uniform(*dialogue.delay))
    tcp.send(tcp.server, response)
