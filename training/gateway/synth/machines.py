"""Machines as they are bought: stacks, distances, open ports. Values are those of current systems;
all kinds share windows, TTLs and ports with others, as programs that attack do too.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from training.gateway.synth.draws import spread, spread_int, weighted
from training.gateway.synth.stack import Stack
from training.gateway.synth.wire import Host

LINUX_PORTS: Final = (32_768, 60_999)  # ip_local_port_range, ip-sysctl
IANA_PORTS: Final = (49_152, 65_535)  # RFC 6335; Windows, macOS, lwIP
NAT_PORTS: Final = (1_024, 65_535)

_SMALL_WINDOWS = (512, 1_024, 1_024, 2_048, 2_144, 3_072, 4_096, 5_744, 5_840, 8_192, 16_384)
_HELLOS = (230, 290, 330, 517, 517, 600, 680, 1_720, 1_800)  # the last two with ML-KEM
_SYSTEM_OF: Final = {
    "desktop": {"windows": 0.55, "mac": 0.2, "linux": 0.25},
    "phone": {"mac": 0.5, "android": 0.5},
    "media": {"linux": 0.4, "android": 0.4, "windows": 0.2},
    "thing": {"embedded": 0.6, "linux": 0.4},
    "server": {"linux": 0.75, "windows": 0.25},
    "printer": {"embedded": 0.7, "linux": 0.3},
}
_OPEN_ON: Final = {
    "desktop": {135: 0.5, 445: 0.5, 3389: 0.3, 5985: 0.3, 22: 0.3, 5357: 0.4, 8080: 0.1},
    "phone": {62078: 0.3},
    "media": {8008: 0.5, 8009: 0.5, 9080: 0.2, 80: 0.2},
    "thing": {80: 0.5, 23: 0.3, 554: 0.3, 443: 0.3, 8080: 0.2, 1883: 0.1, 2323: 0.1},
    "server": {
        **{22: 0.8, 80: 0.7, 443: 0.8, 445: 0.7, 2049: 0.4, 3389: 0.3, 21: 0.3, 5985: 0.3},
        **{135: 0.3, 25: 0.3, 143: 0.2, 993: 0.2, 873: 0.2, 8080: 0.3, 23: 0.1, 2222: 0.1},
    },
    "printer": {631: 1.0, 9100: 0.9, 80: 0.8, 443: 0.5, 515: 0.4, 445: 0.2},
}


@dataclass(frozen=True)
class Machine:
    """A machine of the house: its address, perhaps its IPv6 one, and what it answers."""

    kind: str
    host: Host
    ipv6: Host | None
    open: frozenset[int]
    filtered: bool  # its firewall says nothing rather than to refuse


def stack(dice: Random, system: str, ports: tuple[int, int] | None = None) -> tuple[Stack, int]:
    """A system's stack and its initial TTL."""
    hello = dice.choice(_HELLOS)
    if system == "windows":
        window = dice.choice((64_240, 65_535, 8_192, 64_000))
        made = Stack(window, (255, 1_026), 1_460, 8, ports=ports or IANA_PORTS, hello=hello)
        return made, 128
    if system == "mac":
        made = Stack(65_535, (2_046, 2_070), 1_460, dice.choice((5, 6)), stamps=True)
        return _with(made, ports or IANA_PORTS, hello), 64
    if system == "android":
        made = Stack(65_535, (340, 1_400), 1_460, dice.choice((8, 9)), stamps=True)
        return _with(made, ports or LINUX_PORTS, hello), 64
    if system == "linux":
        window, scale = dice.choice((64_240, 64_240, 29_200, 14_600, 5_840)), dice.choice((7, 7, 2))
        made = Stack(window, (229, 512), 1_460, scale, stamps=dice.random() < 0.8)
        return _with(made, ports or LINUX_PORTS, hello), 64
    window = dice.choice(_SMALL_WINDOWS)
    mss = dice.choice((536, 1_360, 1_400, 1_440, 1_460))
    made = Stack(window, (window // 2, window), mss, None, sack=False)
    return _with(made, ports or IANA_PORTS, hello), dice.choice((64, 64, 128, 255))


def _with(made: Stack, ports: tuple[int, int], hello: int) -> Stack:
    return Stack(
        made.window, made.settled, made.mss, made.scale, made.sack, made.stamps, ports, hello
    )


def server_stack(dice: Random) -> Stack:
    """Of a machine that serves the world; clamps to its paths' sizes are in its MSS."""
    return Stack(
        window=dice.choice((65_535, 64_240, 28_960, 43_440, 62_643, 26_847, 14_480, 8_192, 4_128)),
        settled=(dice.randint(60, 300), dice.randint(301, 2_100)),
        mss=dice.choice((1_460, 1_460, 1_440, 1_412, 1_400, 1_380, 1_360)),
        scale=dice.choice((7, 8, 9, 10, None)),
        stamps=dice.random() < 0.6,
        ports=dice.choice((LINUX_PORTS, IANA_PORTS, NAT_PORTS)),
    )


def remote_host(dice: Random, gateway_mac: str, ip: str, vlan: int, client: bool) -> Host:
    """A machine in the internet; a ``client`` is somebody's at home or a rented one."""
    if client:
        system = weighted(dice, {"linux": 0.5, "windows": 0.25, "embedded": 0.15, "mac": 0.1})
        made, ttl = stack(dice, system, dice.choice((None, NAT_PORTS)))
    else:
        made, ttl = server_stack(dice), weighted(dice, {64: 0.65, 128: 0.15, 255: 0.2})
    loss = spread(dice, 0.001, 0.04) if dice.random() < 0.5 else 0.0
    return Host(
        gateway_mac,
        ip,
        delay=min(0.4, 0.004 + dice.lognormvariate(-3.7, 0.9)),
        ttl=ttl - dice.randint(4, 22),
        vlan=vlan,
        stack=made,
        jitter=dice.uniform(0.02, 0.3),
        loss=loss,
    )


def local_host(dice: Random, kind: str, ip: str, vlan: int) -> Host:
    """A machine of a kind in the house, by cable or by radio."""
    made, ttl = stack(dice, weighted(dice, _SYSTEM_OF[kind]))
    radio = dice.random() < (0.2 if kind == "server" else 0.7)
    mac = bytes([dice.randint(0, 63) * 4, *(dice.getrandbits(8) for _ in range(5))])
    return Host(
        mac.hex(":"),
        ip,
        delay=spread(dice, 0.001, 0.012) if radio else spread(dice, 0.0002, 0.001),
        ttl=ttl,
        vlan=vlan,
        stack=made,
        jitter=dice.uniform(0.2, 0.5) if radio else 0.05,
        loss=spread(dice, 0.0003, 0.01) if radio and dice.random() < 0.5 else 0.0,
    )


def machine(dice: Random, kind: str, ip: str, ipv6: str | None, vlan: int) -> Machine:
    """A machine of a kind at its addresses."""
    host = local_host(dice, kind, ip, vlan)
    other = None
    if ipv6:
        other = Host(host.mac, ipv6, host.delay, host.ttl, vlan, host.stack, host.jitter, host.loss)
    opened = frozenset(port for port, share in _OPEN_ON[kind].items() if dice.random() < share)
    return Machine(kind, host, other, opened, dice.random() < 0.45)


def things_report(dice: Random) -> tuple[int, int]:
    """Least and most bytes of what a thing reports."""
    least = spread_int(dice, 30, 600)
    return least, least + spread_int(dice, 2, 300)
