"""A tap on an imagined network: frames with their times, and a label for each flow."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Self

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw
from scapy.utils import RawPcapWriter

SNAPLEN = 96  # bytes kept of a frame: its headers and a little of the payload
ATTACKS = {"port scan", "ssh brute force", "c2 beacon", "syn flood", "slow exfiltration"}

_COLUMNS = ("start_ts", "src", "sport", "dst", "dport", "proto", "label", "family")
_ETHERNET = 1  # LINKTYPE_ETHERNET
_DELAYED_ACK = 0.04  # s that a receiver waits for data to carry its acknowledgement

_Row = tuple[int, str, int, str, int, int, str, str]  # _COLUMNS, the start in µs after the epoch


@dataclass(frozen=True)
class Host:
    """One address of a machine. Machines beyond the gateway have the gateway's MAC."""

    mac: str
    ip: str
    delay: float = 0.0006  # s from a packet's passing the tap until this host's answer passes it
    ttl: int = 64  # as seen at the tap
    vlan: int = 0


@dataclass
class Wire:
    """Collects frames in any order; ``save`` sorts them. Times are seconds after ``epoch``."""

    seed: int
    epoch: int  # UNIX seconds
    random: Random = field(init=False)
    _frames: list[tuple[int, bytes]] = field(default_factory=list)  # µs after the epoch, frame
    _flows: dict[frozenset[tuple[str, int, int]], _Row] = field(default_factory=dict)
    _ids: dict[Host, int] = field(default_factory=dict)
    _port: int = 49152

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def port(self) -> int:
        """An ephemeral port that no other flow of the capture has."""
        self._port += self.random.randint(1, 5)
        return self._port

    def link(self, at: float, frame: Packet) -> None:
        """A frame that belongs to no flow."""
        self._frames.append((round(at * 1e6), bytes(frame)))

    def put(self, at: float, sender: Host, receiver: Host, upper: Packet, family: str) -> None:
        """An IP packet; its flow's first one makes the flow's label."""
        ether = Ether(src=sender.mac, dst=receiver.mac)
        if vlan := sender.vlan or receiver.vlan:
            ether /= Dot1Q(vlan=vlan)
        self.link(at, ether / self._network(sender, receiver) / upper)
        ports = getattr(upper, "sport", 0), getattr(upper, "dport", 0)
        proto = _protocol(upper)
        key = frozenset({(sender.ip, ports[0], proto), (receiver.ip, ports[1], proto)})
        label = "malicious" if family in ATTACKS else "benign"
        micros = round(at * 1e6)
        if key not in self._flows or micros < self._flows[key][0]:
            row = (micros, sender.ip, ports[0], receiver.ip, ports[1], proto, label, family)
            self._flows[key] = row

    def _network(self, sender: Host, receiver: Host) -> Packet:
        if ":" in sender.ip:
            return IPv6(src=sender.ip, dst=receiver.ip, hlim=sender.ttl)
        number = self._ids[sender] = self._ids.get(sender, self.random.getrandbits(16)) + 1
        return IP(src=sender.ip, dst=receiver.ip, ttl=sender.ttl, id=number & 0xFFFF, flags="DF")

    def save(self, folder: Path, name: str) -> None:
        """Write ``name.pcap`` and ``name.labels.csv``."""
        frames = sorted(self._frames, key=lambda frame: frame[0])
        with RawPcapWriter(
            str(folder / f"{name}.pcap"), linktype=_ETHERNET, endianness="<", snaplen=SNAPLEN
        ) as writer:
            writer.write_header(None)
            for at, frame in frames:
                seconds, micros = divmod(self.epoch * 1_000_000 + at, 1_000_000)
                kept = frame[:SNAPLEN]
                writer.write_packet(
                    kept, sec=seconds, usec=micros, caplen=len(kept), wirelen=len(frame)
                )
        with (folder / f"{name}.labels.csv").open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(_COLUMNS)
            for at, *rest in sorted(self._flows.values()):
                rows.writerow([f"{self.epoch + at // 1_000_000}.{at % 1_000_000:06}", *rest])


def _protocol(upper: Packet) -> int:
    """The IP protocol number that scapy will put below ``upper``."""
    fields = upper.overload_fields
    return int(fields[IP]["proto"] if IP in fields else fields[IPv6]["nh"])


class Tcp:
    """One connection; ``now`` is when its next speaker may speak.

    A message is cut into segments, each second one is acknowledged, a lone last one with the
    answer or after 40 ms, and every number in the headers follows from what was sent before.
    """

    def __init__(
        self, wire: Wire, at: float, client: Host, server: Host, port: int, family: str
    ) -> None:
        self.wire, self.client, self.server, self.family = wire, client, server, family
        self.now = at
        self._ports = {client: wire.port(), server: port}
        self._seq = {host: wire.random.getrandbits(32) for host in (client, server)}
        self._window = {host: wire.random.randint(501, 512) for host in (client, server)}
        self._mss = 1440 if ":" in client.ip else 1460
        self._owed: Host | None = None  # who has an acknowledgement to send
        self._due = 0.0  # and until when

    def open(self) -> Self:
        """The three-way handshake."""
        options = [("MSS", self._mss), ("NOP", None), ("WScale", 7), ("SAckOK", b"")]
        self._segment(self.client, "S", options=options)
        self.now += self.server.delay
        self._segment(self.server, "SA", options=options)
        self.now += self.client.delay
        self._segment(self.client, "A")
        return self

    def send(self, sender: Host, size: int, head: bytes = b"", rate: float = 6e6) -> None:
        """A message of ``size`` bytes that begins with ``head``, at ``rate`` bytes/s."""
        receiver = self._peer(sender)
        if self._owed is sender and self.now < self._due:
            self._owed = None  # the message carries it
        for offset in range(0, size, self._mss):
            self._overdue()
            chunk = min(self._mss, size - offset)
            push = "PA" if offset + chunk == size else "A"
            self._segment(sender, push, (head if offset == 0 else b"").ljust(chunk, b"\0"))
            if self._owed is receiver:
                self._segment(receiver, "A", at=self.now + receiver.delay)
                self._owed = None
            else:
                self._owed, self._due = receiver, self.now + receiver.delay + _DELAYED_ACK
            self.now += chunk / rate * self.wire.random.uniform(0.8, 1.2)
        self.now += receiver.delay

    def pause(self, seconds: float) -> None:
        """Nobody has anything to say."""
        self.now += seconds
        self._overdue()

    def close(self, first: Host | None = None) -> None:
        """FIN from both sides, ``first`` (by default the client) before the other."""
        first = first or self.client
        second = self._peer(first)
        self.pause(0)
        self._segment(first, "FA")
        self.now += second.delay
        self._segment(second, "FA")
        self.now += first.delay
        self._segment(first, "A")

    def reset(self, sender: Host) -> None:
        """RST from one side."""
        self.pause(0)
        self._segment(sender, "RA")

    def _peer(self, host: Host) -> Host:
        return self.server if host is self.client else self.client

    def _overdue(self) -> None:
        if self._owed is not None and self.now >= self._due:
            self._segment(self._owed, "A", at=self._due)
            self._owed = None

    def _segment(
        self,
        sender: Host,
        flags: str,
        payload: bytes = b"",
        options: list[tuple[str, object]] | None = None,
        at: float | None = None,
    ) -> None:
        receiver = self._peer(sender)
        header = TCP(
            sport=self._ports[sender],
            dport=self._ports[receiver],
            seq=self._seq[sender],
            ack=0 if flags == "S" else self._seq[receiver],
            flags=flags,
            window=64240 if options else self._window[sender],
            options=options or [],
        )
        upper = header / Raw(payload) if payload else header
        self.wire.put(self.now if at is None else at, sender, receiver, upper, self.family)
        phantom = "S" in flags or "F" in flags  # SYN and FIN count as one byte
        self._seq[sender] = (self._seq[sender] + len(payload) + phantom) % (1 << 32)
