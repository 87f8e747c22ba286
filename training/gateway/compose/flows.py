"""Flows of packets as the agent follows them, and their labels."""

from __future__ import annotations

from agent.allowlist import AllowList, networks
from agent.capture.packets import PacketBatch
from agent.config import FlowSettings
from agent.flow_key import FlowKey
from agent.flows.capacity import Capacity
from agent.flows.table import FlowTable
from agent.labels import Label, Labels
from training.gateway.compose.conversations import TWINS

_NO_LIMIT = 1 << 62  # of the agent's clock, ns
_MOST_FLOWS = 1 << 20


def ended_flows(packets: PacketBatch) -> list[tuple[FlowKey, int]]:
    """All flows of some packets as the agent follows them: keys and first packets' ns."""
    most = min(max(16, len(packets.ts) + 1), _MOST_FLOWS)
    table = FlowTable(
        Capacity(flows=most, hosts=2 * most, pairs=most, rules=16),
        FlowSettings().idle_s,
        FlowSettings().active_s,
        networks(()),
        AllowList.parse(()),
        seed=0,
    )
    packets.vlan[:] = 0  # frames of a composed gateway have no tags
    table.bind(packets)
    flows: list[tuple[FlowKey, int]] = []

    def take() -> None:
        flows.extend((FlowKey.of(f), int(f["first_ns"])) for f in table.ended[: table.n_ended])

    at = 0
    while at < packets.n:
        at = table.update(at, packets.n, _NO_LIMIT)
        take()
    living = 1
    while living:
        living = table.drain()
        take()
    return flows


def key_at(packets: PacketBatch, row: int) -> FlowKey:
    """The 5-tuple of one packet, its sender first."""
    src = int(packets.src_hi[row]), int(packets.src_lo[row])
    dst = int(packets.dst_hi[row]), int(packets.dst_lo[row])
    ports = int(packets.sport[row]), int(packets.dport[row])
    return FlowKey(src, ports[0], dst, ports[1], int(packets.proto[row]))


def label_of(labels: Labels, key: FlowKey, start_ns: int) -> Label | None:
    """As the capture has it, where a host that talks to itself has no twin."""
    src = key.dst if key.src in TWINS else key.src
    dst = key.src if key.dst in TWINS else key.dst
    return labels.match(src, key.sport, dst, key.dport, key.proto, start_ns)
