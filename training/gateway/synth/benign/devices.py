"""Things in the house and their makers' clouds: readings, heartbeats, cameras, new firmware."""

from __future__ import annotations

from training.gateway.synth.benign import web
from training.gateway.synth.benign.datagrams import media, question
from training.gateway.synth.draws import spread, spread_int
from training.gateway.synth.machines import Machine, things_report
from training.gateway.synth.site import Site
from training.gateway.synth.tcp import Tcp

_FAMILY = "iot"
_BEAT_PORTS = (443, 8883, 10_001, 32_100, 5_683, 8_886, 20_002, 9_999)


def beat(site: Site, machine: Machine) -> None:
    """A heartbeat by UDP to the maker, always the same, answered or not."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    port, every = dice.choice((*_BEAT_PORTS, dice.randint(1024, 65535))), spread(dice, 1, 90)
    jitter, answer = dice.choice((0.0, 0.005, 0.05, 0.3)), dice.choice((0, dice.randint(8, 120)))
    size, server, anew = dice.randint(8, 260), site.remote(), dice.random() < 0.2
    source = wire.port(machine.host)
    for _ in range(100):
        if at > wire.end:
            break
        ports = wire.port(machine.host) if anew else source, port
        question(wire, at, machine.host, server, ports, (size, answer), _FAMILY)
        at += every * dice.uniform(1 - jitter, 1 + jitter)


def publish(site: Site, machine: Machine) -> None:
    """MQTT in plain, to the house's broker or the maker's: readings, and pings of two bytes."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    broker, port = site.role("broker", "server", "thing"), dice.choice((1883, 1883, 8883, 443))
    things = [each for each in site.part(broker, 1, 12, "thing") if each is not broker]
    away = site.remote() if dice.random() < 0.4 else broker.host
    every, (least, most) = spread(dice, 0.5, 60), things_report(dice)
    for thing in things:
        tcp = Tcp(wire, at, thing.host, away, port, _FAMILY).open()
        tcp = web.tls_handshake(tcp) if port != 1883 else tcp
        tcp.converse([(dice.randint(20, 90), 4), (dice.randint(10, 60), 5)])
        for _ in range(spread_int(dice, 3, max(4, 100 // len(things)))):
            if tcp.now > wire.end:
                break
            quiet, certain = dice.random() < 0.4, dice.random() < 0.5
            tcp.converse([(2, 2)] if quiet else [(dice.randint(least, most), 4 * certain)])
            tcp.pause(every * dice.uniform(0.98, 1.02))
        at += dice.expovariate(0.3)


def ask_sensors(site: Site, machine: Machine) -> None:
    """CoAP (RFC 7252): confirmable questions to each sensor in turn; who sleeps is asked again."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    every, asleep = spread(dice, 1, 60), dice.uniform(0, 0.5)
    things = site.part(machine, 1, 15, "thing")
    ports = wire.port(machine.host), dice.choice((5683, 5683, 5684))
    for nth in range(dice.randint(1, max(2, 100 // len(things)))):
        for thing in things:
            begun, size = at + nth * every + dice.uniform(0, 1), dice.randint(10, 80)
            tries = dice.randint(2, 4) if dice.random() < asleep else 0
            for again in range(tries):
                wire.datagram(begun, machine.host, thing.host, ports, size, _FAMILY)
                begun += 2.0 * 2**again  # ACK_TIMEOUT, doubled
            if not tries:
                sizes = size, dice.randint(8, 160)
                question(wire, begun, machine.host, thing.host, ports, sizes, _FAMILY)


def watch_camera(site: Site, machine: Machine) -> None:
    """RTSP and its pictures: on the same connection, or as datagrams at ports agreed there."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    cameras = site.part(machine, 1, 4, "thing")
    size, fast = spread_int(dice, 300, 1_400), spread(dice, 0.006, 0.2)
    for camera in cameras:
        tcp = Tcp(
            wire, at, machine.host, camera.host, dice.choice((554, 554, 8554)), _FAMILY
        ).open()
        tcp.converse([(dice.randint(90, 320), dice.randint(100, 900)) for _ in range(5)])
        frames = 300 // len(cameras)
        until = min(wire.end, tcp.now + frames * fast)
        if dice.random() < 0.5:
            while tcp.now < until:
                tcp.send(camera.host, size + dice.randint(0, 200))
                tcp.pause(fast)
        else:
            ports = dice.randint(3_000, 30_000) * 2, dice.randint(3_000, 30_000) * 2
            ends = camera.host, machine.host
            media(wire, tcp.now, until, ends, ports, fast, (size // 2, size), False, _FAMILY)
            tcp.wait(until)
        tcp.converse([(dice.randint(90, 200), dice.randint(60, 120))]).close()


def punch_through(site: Site, machine: Machine) -> None:
    """A camera reachable from outside: rendezvous servers told, then a viewer's addresses tried."""
    dice, wire, at, us = site.wire.random, site.wire, site.moment(), machine.host
    source, port = wire.port(us), dice.choice((32_100, 8_800, 6_000, 10_240))
    servers, every = [site.remote() for _ in range(dice.randint(2, 8))], spread(dice, 2, 60)
    dead = dice.uniform(0, 0.5)
    silent = {server for server in servers if dice.random() < dead}
    for nth in range(dice.randint(2, 12)):
        for server in servers:
            sizes = dice.randint(4, 60), 0 if server in silent else dice.randint(4, 60)
            question(wire, at + nth * every, us, server, (source, port), sizes, _FAMILY)
    if dice.random() < 0.5:
        return
    viewer, at = site.remote(client=True), at + spread(dice, 1, 100)
    for guess in range(spread_int(dice, 3, 40)):
        ports = source, dice.randint(1024, 65535)
        wire.datagram(at + 0.01 * guess, us, viewer, ports, dice.randint(4, 40), _FAMILY)
    ports = source, dice.randint(1024, 65535)
    every = spread(dice, 0.02, 0.2)
    media(wire, at + 1, at + 8, (us, viewer), ports, every, (200, 1_100), False, _FAMILY)


def cast(site: Site, machine: Machine) -> None:
    """Players in the house kept in touch with: a small message both ways every few seconds."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    every, port = dice.choice((1, 5, 5, 10, 30)), dice.choice((8009, 8009, 1400, 7000, 55_443))
    for each in site.part(machine, 1, 5, "media", "thing"):
        tcp = Tcp(wire, at, machine.host, each.host, port, _FAMILY).open()
        tcp = web.tls_handshake(tcp) if port == 8009 else tcp
        size = dice.randint(60, 260)
        for _ in range(spread_int(dice, 3, 40)):
            tcp.converse([(size, size)])
            tcp.pause(every)
        if dice.random() < 0.5:
            tcp.close()


def shout(site: Site, machine: Machine) -> None:
    """A thing that tells everybody in the house that it is here, every few seconds."""
    dice, wire, at = site.wire.random, site.wire, site.moment()
    port, every = dice.choice((6666, 6667, 9999, 1901, 56_700, 7_788)), spread(dice, 2, 30)
    ports, size = (wire.port(machine.host), port), dice.randint(16, 300)
    for _ in range(spread_int(dice, 5, 60)):
        wire.datagram(at, machine.host, site.broadcast, ports, size, _FAMILY)
        at += every * dice.uniform(0.99, 1.01)


def get_firmware(site: Site, machine: Machine) -> None:
    """One or many things fetch the same file, each whole or in small pieces, slowly."""
    dice, wire, at, left = site.wire.random, site.wire, site.moment(), 600_000
    server, port, rate = site.remote(), dice.choice((443, 80, 8080)), spread(dice, 1e4, 2e6)
    size, pieces = spread_int(dice, 20_000, 300_000), dice.choice((1, 1, 8, 40))
    for thing in [machine, *site.part(machine, 1, 6, "thing")]:
        begun = at + dice.expovariate(0.1)
        for _ in range(pieces):
            tcp = Tcp(wire, begun, thing.host, server, port, _FAMILY).open()
            web.download(tcp, min(left, size // pieces) + 100, rate)
            begun = tcp.now
        left = max(0, left - size)
