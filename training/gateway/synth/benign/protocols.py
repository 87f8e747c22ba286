"""Protocols of question and answer on an open connection, each as what it says at first and after.

Sizes are those of the protocols' messages as their documentation frames them; what a question or
an answer holds varies from one client to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Self

from training.gateway.synth.benign.web import tls_handshake
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire

Sizes = tuple[int, int]
"""Least and most bytes."""


@dataclass(frozen=True)
class Protocol:
    """What is said on one kind of connection.

    Attributes:
        port: the service's.
        greeting: bytes of requests and responses before the first question; 0 says nothing.
        request: of a question.
        response: of its answer.
        encrypted: TLS comes first.
    """

    port: int
    greeting: tuple[Sizes, ...]
    request: Sizes
    response: Sizes
    encrypted: bool = False

    def as_used(self, dice: Random, ports: tuple[int, ...] = ()) -> Self:
        """By one client: questions and answers of its own sizes, at one of the ports."""
        request, response = (
            _narrowed(dice, each, spread(dice, 0.6, 2)) for each in (self.request, self.response)
        )
        port = dice.choice((self.port, *ports))
        return type(self)(port, self.greeting, request, response, self.encrypted)

    def begin(self, wire: Wire, at: float, client: Host, server: Host, family: str) -> Tcp:
        """A connection on which the first question may be asked."""
        tcp = Tcp(wire, at, client, server, self.port, family).open()
        return (tls_handshake(tcp) if self.encrypted else tcp).converse(self.greeting)

    def ask(self, tcp: Tcp, count: int = 1, think: float = 0.0) -> Tcp:
        """Questions, ``think`` seconds on average after one another."""
        dice = tcp.wire.random
        for nth in range(count):
            if nth and think:
                tcp.pause(dice.expovariate(1 / think))
            tcp.converse([(dice.randint(*self.request), dice.randint(*self.response))])
        return tcp


def _narrowed(dice: Random, sizes: Sizes, factor: float) -> Sizes:
    least, most = sorted(round(factor * spread_int(dice, *sizes)) for _ in range(2))
    return max(1, least), max(1, most)
