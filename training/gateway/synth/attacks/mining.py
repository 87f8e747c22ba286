"""Cryptomining: a line to a pool that is open for hours."""

from __future__ import annotations

from training.gateway.synth.benign.web import tls_handshake
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire


def stratum(
    wire: Wire,
    at: float,
    until: float,
    miner: Host,
    pool: Host,
    port: int,
    jobs_every: float,
    shares_every: float,
    encrypted: bool,
) -> None:
    """Subscribe and log in; then jobs from the pool, and shares when one is found."""
    tcp, dice = Tcp(wire, at, miner, pool, port, "cryptomining").open(), wire.random
    more = 22 if encrypted else 0  # bytes of a TLS record around each line
    if encrypted:
        tls_handshake(tcp)
    login, job, share = dice.randint(120, 420), dice.randint(230, 480), dice.randint(95, 240)
    tcp.converse([(login + more, job + dice.randint(20, 90) + more)])
    next_job = tcp.now + dice.expovariate(1 / jobs_every)
    next_share = tcp.now + dice.expovariate(1 / shares_every)
    while tcp.now < until:
        tcp.wait(min(next_job, next_share))
        if next_job <= next_share:
            tcp.send(pool, job + dice.randint(-3, 3) + more)
            next_job += dice.expovariate(1 / jobs_every)
        else:
            tcp.converse([(share + dice.randint(-2, 2) + more, dice.randint(38, 64) + more)])
            next_share += dice.expovariate(1 / shares_every)
