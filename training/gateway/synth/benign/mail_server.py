"""Mail servers: everybody's mail taken in, much of it refused at first, and the queue sent out."""

from __future__ import annotations

from training.gateway.synth.benign.web import TLS_DATA, tls_handshake
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.machines import Machine
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host

_FAMILY = "mail"
_ACCOUNT_PORTS = (143, 993, 587, 110, 995)


def receive(site: Site, machine: Machine) -> None:
    """Strangers deliver. Greylisted ones are put off and come again, some are turned away."""
    dice, wire = site.wire.random, site.wire
    grey, unwanted, wait = dice.uniform(0, 0.9), dice.uniform(0, 0.7), spread(dice, 20, 300)
    for _ in range(spread_int(dice, 3, 45)):
        sender, at = site.remote(client=dice.random() < 0.4), site.moment()
        if dice.random() < unwanted:
            for _ in range(dice.choice((1, 1, 2, 5))):
                at = _turned_away(Tcp(wire, at, sender, machine.host, 25, _FAMILY))
            continue
        for nth in range(3):
            put_off = nth < 2 and dice.random() < grey
            _deliver(Tcp(wire, at, sender, machine.host, 25, _FAMILY).open(), put_off)
            if not put_off:
                break
            at += wait * 2**nth * dice.uniform(0.9, 1.2)


def _turned_away(tcp: Tcp) -> float:
    """A name that is on a list, a user who is none: a few lines, and good-bye."""
    dice = tcp.wire.random
    tcp.open().send(tcp.server, dice.randint(25, 90))
    tcp.converse([(dice.randint(12, 40), dice.randint(20, 180)) for _ in range(dice.randint(0, 4))])
    tcp.close(tcp.server) if dice.random() < 0.7 else tcp.reset(tcp.client)
    return tcp.now + dice.expovariate(0.2)


def _deliver(tcp: Tcp, put_off: bool) -> None:
    dice = tcp.wire.random
    tcp.send(tcp.server, dice.randint(25, 90))
    tcp.converse([(dice.randint(12, 40), dice.randint(90, 250))])
    if dice.random() < 0.7:
        tcp.converse([(10, 30)])
        tls_handshake(tcp).converse([(dice.randint(60, 90), dice.randint(150, 250))])
    tcp.converse([(dice.randint(40, 100), 40), (dice.randint(35, 80), dice.randint(35, 110))])
    if not put_off:
        tcp.converse([(30, 60), (spread_int(dice, 800, 60_000), dice.randint(40, 90))])
    tcp.converse([(28, 44)]).close(dice.choice((tcp.client, tcp.server)))


def send_queue(site: Site, machine: Machine) -> None:
    """A newsletter or a day's mail to many servers: some are gone, some refuse, some put off."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    rate, gone, put_off = spread(dice, 0.1, 8), dice.uniform(0, 0.4), dice.uniform(0, 0.5)
    for _ in range(spread_int(dice, 3, 50)):
        at += dice.expovariate(rate)
        tcp, fate = Tcp(wire, at, machine.host, site.remote(), 25, _FAMILY), dice.random()
        if fate < gone:
            tcp.unanswered(dice.randint(1, 5)) if dice.random() < 0.7 else tcp.refused()
        else:
            _deliver(tcp.open(), dice.random() < put_off)


def keep_accounts(site: Site, machine: Machine) -> None:
    """Users' programs fetch and submit; one has an old password and will not stop trying it."""
    dice, wire = site.wire.random, site.wire
    port = dice.choice(_ACCOUNT_PORTS)
    for user in site.strangers(spread_int(dice, 1, 12)):
        at, every, wrong = site.moment(), spread(dice, 5, 200), dice.random() < 0.2
        for _ in range(spread_int(dice, 2, 25)):
            tcp = Tcp(wire, at, user, machine.host, port, _FAMILY).open()
            _use_account(tls_handshake(tcp) if port in (993, 995) else tcp, wrong)
            at = max(at + every * dice.uniform(0.95, 1.05), tcp.now)


def _use_account(tcp: Tcp, wrong: bool) -> None:
    dice, server = tcp.wire.random, tcp.server
    tcp.send(server, dice.randint(30, 120), TLS_DATA)
    tcp.converse([(dice.randint(10, 40), dice.randint(10, 200)), (dice.randint(25, 70), 0)])
    tcp.pause(dice.uniform(1, 3) if wrong else 0.02)
    tcp.send(server, dice.randint(20, 60))
    for _ in range(0 if wrong else dice.randint(1, 5)):
        tcp.converse([(dice.randint(8, 60), min(20_000, int(dice.lognormvariate(5, 1.5))))])
    tcp.close(dice.choice((tcp.client, server)))


def wrong_password(site: Site, machine: Machine) -> None:
    """A phone whose password was changed elsewhere: refused every minute until somebody looks."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    server, port = dice.choice(site.services).servers[0], dice.choice((143, 587, 21, 5060, 8080))
    every, steps = spread(dice, 3, 90), dice.randint(1, 3)
    client: Host = machine.host
    for _ in range(spread_int(dice, 3, 30)):
        tcp = Tcp(wire, at, client, server, port, _FAMILY).open()
        tcp.send(server, dice.randint(20, 110))
        tcp.converse([(dice.randint(10, 60), dice.randint(10, 60)) for _ in range(steps)], 0.3)
        tcp.close(dice.choice((client, server)))
        at = tcp.now + every * dice.uniform(0.95, 1.05)
