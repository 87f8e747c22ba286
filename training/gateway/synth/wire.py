"""A tap on an imagined network: frames with their times, and a label for each flow."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet
from scapy.utils import RawPcapWriter

from training.gateway.synth import frame
from training.gateway.synth.stack import Stack

SNAPLEN = 96  # bytes kept of a frame: its headers and a little of the payload
FAMILIES: Final = (
    *("scan", "flood", "brute force", "worm", "c2"),
    *("exfiltration", "lateral movement", "cryptomining"),
)
"""Of malicious flows."""

_SAMPLES = ("port scan", "ssh brute force", "c2 beacon", "syn flood", "slow exfiltration")
_ATTACKS = {*FAMILIES, *_SAMPLES}  # the sample captures have finer names
_COLUMNS = ("start_ts", "src", "sport", "dst", "dport", "proto", "label", "family")
_ETHERNET = 1  # LINKTYPE_ETHERNET
_CHECKSUM_AT = {frame.TCP: 16, frame.UDP: 6, frame.ICMPV6: 2}  # within the header

_Row = tuple[int, str, int, str, int, int, str, str]  # _COLUMNS, the start in µs after the epoch


@dataclass(frozen=True)
class Host:
    """One address of a machine. Machines beyond the gateway have the gateway's MAC."""

    mac: str
    ip: str
    delay: float = 0.0006  # s from a packet's passing the tap until this host's answer passes it
    ttl: int = 64  # as seen at the tap
    vlan: int = 0
    stack: Stack = field(default=Stack(), compare=False)
    jitter: float = field(default=0.0, compare=False)  # of the delay: deviation of its logarithm
    loss: float = field(default=0.0, compare=False)  # share of its segments that come twice


@dataclass
class Wire:
    """Collects frames in any order; ``save`` sorts them. Times are seconds after ``epoch``.

    What passes before the epoch, or from ``end`` on, is not seen.
    """

    seed: int
    epoch: int  # UNIX seconds
    end: float = math.inf
    random: Random = field(init=False)
    repeats: int = 0  # TCP segments that were sent again, on purpose
    _frames: list[tuple[int, int, bytes]] = field(default_factory=list)  # µs, size, kept bytes
    _flows: dict[tuple[str, int, str, int, int], _Row] = field(default_factory=dict)
    _ids: dict[Host, int] = field(default_factory=dict)
    _ports: set[tuple[str, int]] = field(default_factory=set)
    _port: int = 49152

    def __post_init__(self) -> None:
        """Seed the dice that all traffic on this wire is drawn with."""
        self.random = Random(self.seed)

    def __len__(self) -> int:
        """Frames that were seen."""
        return len(self._frames)

    def port(self, host: Host | None = None) -> int:
        """An ephemeral port that no other flow of the host has."""
        if host is None or host.stack.ports is None:
            self._port += self.random.randint(1, 5)
            return self._port
        port = self.random.randint(*host.stack.ports)
        while (host.ip, port) in self._ports:
            port = self.random.randint(*host.stack.ports)
        self._ports.add((host.ip, port))
        return port

    def lag(self, host: Host) -> float:
        """How long this time until the host's answer, in s."""
        if not host.jitter:
            return host.delay
        return host.delay * self.random.lognormvariate(0, host.jitter)

    def sees(self, at: float) -> bool:
        """Whether a frame of that moment is seen."""
        return 0 <= at < self.end

    def link(self, at: float, sent: Packet) -> None:
        """A frame that belongs to no flow."""
        self._take(at, bytes(sent))

    def put(self, at: float, sender: Host, receiver: Host, upper: Packet, family: str) -> None:
        """An IP packet built by scapy; its flow's first one makes the flow's label."""
        ether = Ether(src=sender.mac, dst=receiver.mac)
        if vlan := sender.vlan or receiver.vlan:
            ether /= Dot1Q(vlan=vlan)
        if ":" in sender.ip:
            ip: Packet = IPv6(src=sender.ip, dst=receiver.ip, hlim=sender.ttl)
        else:
            number = self._identify(sender)
            ip = IP(src=sender.ip, dst=receiver.ip, ttl=sender.ttl, id=number, flags="DF")
        self.link(at, ether / ip / upper)
        ports = getattr(upper, "sport", 0), getattr(upper, "dport", 0)
        self._label(at, sender, receiver, ports, _protocol(upper), family)

    def segment(
        self,
        at: float,
        sender: Host,
        receiver: Host,
        ports: tuple[int, int],
        numbers: tuple[int, int],
        flags: int,
        window: int,
        family: str,
        options: bytes = b"",
        head: bytes = b"",
        size: int = 0,
    ) -> None:
        """A TCP segment of ``size`` payload bytes that begin with ``head``.

        ``numbers`` are those of the sequence and the acknowledgement.
        """
        header = frame.tcp(ports, *numbers, flags, window, options)
        self._send(at, sender, receiver, frame.TCP, header, head, size)
        self._label(at, sender, receiver, ports, frame.TCP, family)

    def datagram(
        self,
        at: float,
        sender: Host,
        receiver: Host,
        ports: tuple[int, int],
        size: int,
        family: str,
        head: bytes = b"",
    ) -> None:
        """A UDP datagram of ``size`` payload bytes that begin with ``head``."""
        self._send(at, sender, receiver, frame.UDP, frame.udp(ports, size), head, size)
        self._label(at, sender, receiver, ports, frame.UDP, family)

    def message(
        self, at: float, sender: Host, receiver: Host, header: bytes, size: int, family: str
    ) -> None:
        """An ICMP or ICMPv6 message: a header with no checksum yet, ``size`` bytes after it."""
        proto = frame.ICMPV6 if ":" in sender.ip else frame.ICMP
        self._send(at, sender, receiver, proto, header, b"", size)
        self._label(at, sender, receiver, (0, 0), proto, family)

    def _send(
        self,
        at: float,
        sender: Host,
        receiver: Host,
        proto: int,
        header: bytes,
        head: bytes,
        size: int,
    ) -> None:
        number = 0 if ":" in sender.ip else self._identify(sender)
        if not self.sees(at):
            return
        upper, whole = header + head[:size], len(header) + size
        if proto == frame.ICMP:
            value, place = frame.checksum(upper), 2
        else:
            value = frame.transport_checksum(sender.ip, receiver.ip, proto, upper, whole)
            place = _CHECKSUM_AT[proto]
        if proto == frame.UDP and value == 0:
            value = 0xFFFF  # 0 would say that there is none (RFC 768)
        upper = upper[:place] + value.to_bytes(2, "big") + upper[place + 2 :]
        vlan = sender.vlan or receiver.vlan
        sent = frame.ethernet(sender.mac, receiver.mac, vlan, ":" in sender.ip)
        sent += frame.network(sender.ip, receiver.ip, sender.ttl, number, proto, whole) + upper
        self._take(at, sent, len(sent) - len(upper) + whole)

    def _identify(self, sender: Host) -> int:
        number = self._ids[sender] = self._ids.get(sender, self.random.getrandbits(16)) + 1
        return number & 0xFFFF

    def _take(self, at: float, sent: bytes, size: int = 0) -> None:
        if self.sees(at):
            size = size or len(sent)
            self._frames.append(
                (round(at * 1e6), size, sent[:SNAPLEN].ljust(min(size, SNAPLEN), b"\0"))
            )

    def _label(
        self,
        at: float,
        sender: Host,
        receiver: Host,
        ports: tuple[int, int],
        proto: int,
        family: str,
    ) -> None:
        if not self.sees(at):
            return
        one, other = (sender.ip, ports[0]), (receiver.ip, ports[1])
        key = (*one, *other, proto) if one <= other else (*other, *one, proto)
        micros = round(at * 1e6)
        if key not in self._flows or micros < self._flows[key][0]:
            label = "malicious" if family in _ATTACKS else "benign"
            self._flows[key] = (micros, *one, *other, proto, label, family)

    def save(self, folder: Path, name: str) -> None:
        """Write ``name.pcap`` and ``name.labels.csv``."""
        with RawPcapWriter(
            str(folder / f"{name}.pcap"), linktype=_ETHERNET, endianness="<", snaplen=SNAPLEN
        ) as writer:
            writer.write_header(None)
            for at, size, kept in sorted(self._frames, key=lambda each: each[0]):
                seconds, micros = divmod(self.epoch * 1_000_000 + at, 1_000_000)
                writer.write_packet(kept, sec=seconds, usec=micros, caplen=len(kept), wirelen=size)
        with (folder / f"{name}.labels.csv").open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(_COLUMNS)
            for at, *rest in sorted(self._flows.values()):
                rows.writerow([f"{self.epoch + at // 1_000_000}.{at % 1_000_000:06}", *rest])


def _protocol(upper: Packet) -> int:
    """The IP protocol number that scapy will put below ``upper``."""
    fields = upper.overload_fields
    return int(fields[IP]["proto"] if IP in fields else fields[IPv6]["nh"])
