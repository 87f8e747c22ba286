"""Packets as tests write them, and tables small enough to fill."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.addresses import words
from agent.allowlist import AllowList, networks
from agent.capture.packets import PacketBatch, Undecoded
from agent.config import HOME_NETWORKS
from agent.flows.capacity import Capacity
from agent.flows.table import FlowTable

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
NEVER = 1 << 62
NS = 1_000_000_000


@dataclass(frozen=True)
class Packet:
    """One decoded packet; ``at`` in seconds."""

    at: float = 1000.0
    src: str = "192.168.1.20"
    dst: str = "198.51.100.7"
    sport: int = 40000
    dport: int = 443
    proto: int = 6
    tcp: int = ACK
    payload: int = 0
    vlan: int = 0
    seq: int = 0
    window: int = 64240
    icmp: int = 0
    src_mac: int = 0
    interface: int = 0

    def back(self, **changes: Any) -> Packet:
        """The same the other way round."""
        turned = dataclasses.replace(
            self, src=self.dst, dst=self.src, sport=self.dport, dport=self.sport
        )
        return dataclasses.replace(turned, **changes)


def batch_of(packets: Iterable[Packet]) -> PacketBatch:
    """Columns as the decoder makes them."""
    packets = list(packets)
    batch = PacketBatch.allocate(max(1, len(packets)))
    for i, p in enumerate(packets):
        batch.ts[i] = round(p.at * NS)
        batch.status[i] = Undecoded.OK
        batch.src_hi[i], batch.src_lo[i] = words(p.src)
        batch.dst_hi[i], batch.dst_lo[i] = words(p.dst)
        batch.ip_bytes[i] = 40 + p.payload
        batch.flags[i] = p.tcp if p.proto == 6 else 0
        for name in ("sport", "dport", "proto", "payload", "vlan", "seq", "window", "icmp"):
            getattr(batch, name)[i] = getattr(p, name)
        batch.src_mac[i], batch.interface[i] = p.src_mac, p.interface
    batch.n = len(packets)
    return batch


def table(
    *, flows: int = 1024, hosts: int = 256, idle_s: float = 120, active_s: float = 1800,
    allow: Iterable[str] = (), seed: int = 5, batch: int = 4096, kind: type[Any] = FlowTable,
) -> Any:  # fmt: skip
    """A flow table with the default home networks."""
    capacity = Capacity(flows=flows, hosts=hosts, pairs=256, rules=64)
    return kind(
        capacity, idle_s, active_s, networks(HOME_NETWORKS), AllowList.parse(allow), seed, batch
    )


def follow(flow_table: Any, packets: Iterable[Packet], cut: int = 1 << 30) -> list[np.void]:
    """Feed packets, ``cut`` at a time, and end all flows; the ended rows in order of ending."""
    batch = batch_of(packets)
    flow_table.bind(batch)
    ended: list[np.void] = []
    at = 0
    while at < batch.n:
        at = flow_table.update(at, min(at + cut, batch.n), NEVER)
        ended += [row.copy() for row in flow_table.ended[: flow_table.n_ended]]
    living = 1
    while living:
        living = flow_table.drain()
        ended += [row.copy() for row in flow_table.ended[: flow_table.n_ended]]
    return ended


def observe(flow_table: Any, packets: Iterable[Packet]) -> np.ndarray[Any, Any]:
    """Feed packets, without ending flows; the observations of all decision points."""
    batch = batch_of(packets)
    flow_table.bind(batch)
    seen = []
    at = 0
    while at < batch.n:
        at = flow_table.update(at, batch.n, NEVER)
        seen.append(flow_table.observations[: flow_table.n_points].copy())
    return np.concatenate(seen)
