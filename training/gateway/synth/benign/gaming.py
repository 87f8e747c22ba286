"""Games beyond the match: lists of servers, lobbies of strangers, streams over QUIC."""

from __future__ import annotations

from training.gateway.synth.benign.datagrams import game, question
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp

_FAMILY = "game"


def browse_servers(site: Site, machine: Machine) -> None:
    """A list of servers, each asked within seconds how it is; many of them are no more."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    source, usual = wire.port(us), dice.choice((27_015, 25_565, 2_302, 7_777, 14_567, 64_090))
    rate, gone, anew = spread(dice, 3, 150), dice.uniform(0.05, 0.7), dice.random() < 0.3
    size, answer = dice.randint(4, 60), spread_int(dice, 20, 900)
    for _ in range(spread_int(dice, 15, 220)):
        at += dice.expovariate(rate)
        server = site.remote()
        port = dice.choice((usual, usual, usual + dice.randint(1, 40), dice.randint(1024, 65_000)))
        ports = wire.port(us) if anew else source, port
        if dice.random() < gone:
            for again in range(dice.randint(1, 2)):
                wire.datagram(at + again, us, server, ports, size, _FAMILY)
            continue
        late = at
        for _ in range(dice.choice((1, 2, 2, 3))):  # a challenge, then what was asked for
            sizes = size, answer + dice.randint(0, 80)
            late = question(wire, late, us, server, ports, sizes, _FAMILY)


def join_lobby(site: Site, machine: Machine) -> None:
    """A match without a server: each player's address tried, most in vain, then a few talk."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    source, usual = dice.choice((3074, 3659, 9308, wire.port(us))), dice.choice((3074, 3659, 9308))
    players, tries = site.strangers(spread_int(dice, 3, 60)), dice.randint(1, 8)
    talking, every = dice.randint(0, 5), spread(dice, 0.1, 1.5)
    for nth, player in enumerate(players):
        begun, port = at + dice.expovariate(2), dice.choice((usual, dice.randint(1024, 65535)))
        for again in range(tries):
            sizes = dice.randint(20, 90), dice.randint(20, 90) * (nth < talking)
            question(wire, begun + again * every, us, player, (source, port), sizes, _FAMILY)
    for player in players[:talking]:
        begun = at + tries * every + 1
        game(wire, begun, begun + spread(dice, 1, 8), us, player, usual)


def ping_regions(site: Site, machine: Machine) -> None:
    """Which data centre is nearest? Several datagrams or connections to each, at once."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    port, by_stream = dice.choice((3075, 443, 7_770, 27_018, 80)), dice.random() < 0.3
    size, tries = dice.randint(8, 120), dice.randint(1, 10)
    for region in [site.remote() for _ in range(spread_int(dice, 4, 40))]:
        begun = at + dice.expovariate(3)
        if by_stream:
            Tcp(wire, begun, us, region, port, _FAMILY).open().close()
            continue
        ports = wire.port(us), port
        for again in range(tries):
            answer = 0 if dice.random() < 0.05 else size
            question(wire, begun + 0.2 * again, us, region, ports, (size, answer), _FAMILY)


def stream_by_datagram(site: Site, machine: Machine) -> None:
    """Pictures of a match played elsewhere, or a film over QUIC: much down, little up."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    us, servers = site.towards(machine, dice.choice(site.services))
    server, port = servers[0], dice.choice((443, 443, 9_003, 49_005))
    ports = wire.port(us), port
    question(wire, at, us, server, ports, (1_200, 1_200), "video")
    every, burst, left = spread(dice, 0.02, 8), spread(dice, 2, 80), 350
    while left > 0 and at < wire.end:
        at += every * dice.uniform(0.9, 1.1)
        moment = question(wire, at, us, server, ports, (dice.randint(30, 90), 1_200), "video")
        for _ in range(round(burst * dice.uniform(0.5, 1.5))):
            wire.datagram(moment, server, us, (port, ports[0]), dice.randint(900, 1_252), "video")
            moment, left = moment + dice.expovariate(2_500), left - 1
        left -= 2
