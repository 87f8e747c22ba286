"""A conversation packet by packet, as a capture with one label for all of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

from training.gateway.corpus import Capture
from training.provenance import sha256

ATTACKER, VICTIM, OTHER = "203.0.113.9", "192.168.1.20", "198.51.100.7"


class Sent(NamedTuple):
    """A packet; ``at`` in UNIX seconds, ``size`` bytes of payload, ``flags`` of TCP, or UDP."""

    at: float
    size: int = 0
    src: str = ATTACKER
    dst: str = VICTIM
    sport: int = 40000
    dport: int = 80
    flags: str = ""

    def back(self, at: float, size: int = 0, flags: str = "") -> Sent:
        """The answer."""
        return Sent(at, size, self.dst, self.src, self.dport, self.sport, flags)


def attack(folder: Path, name: str, *sent: Sent, family: str = "exploit") -> Capture:
    """A capture in which all flows are malicious, but for those to name services."""
    packets = []
    for each in sent:
        ports = {"sport": each.sport, "dport": each.dport}
        transport = TCP(flags=each.flags, **ports) if each.flags else UDP(**ports)
        packet = Ether() / IP(src=each.src, dst=each.dst) / transport / Raw(bytes(each.size))
        packet.time = each.at
        packets.append(packet)
    wrpcap(str(folder / name), packets)
    return Capture(
        path=name,
        sha256=sha256(folder / name),
        label="malicious",
        family=family,
        spares=("name",),
        source="ours",
        split="held-out",
    )
