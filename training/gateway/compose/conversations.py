"""Who talks to whom in a capture: conversations, and what may not be torn apart when it is cut.

A conversation is all that two endpoints exchange until they are silent for as long as the agent
keeps a flow, so a cut between conversations is never a cut through a flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.addresses import words
from agent.allowlist import networks
from agent.capture.packets import PacketBatch
from agent.config import FlowSettings

NS: Final = 1_000_000_000
IDLE_NS: Final = int(FlowSettings().idle_s * NS)

NO_HOST: Final = networks(("224.0.0.0/4", "255.255.255.255", "ff00::/8", "0.0.0.0", "::"))
"""Multicast, limited broadcast, and the source of who has no address yet."""
TWINS: Final = (words("127.0.0.2"), words("fd00::127:0:0:2"))
"""IPv4 and IPv6: stands for the responder where a host talks to itself."""

_TCP: Final = 6
_SYN_ACK: Final = 0x12


@dataclass(frozen=True, slots=True)
class Talk:
    """What of a capture's packets belongs together.

    Attributes:
        hosts: ``(h, 2)`` uint64, addresses as words.
        src, dst: ``(n,)`` rows of ``hosts``.
        pair: ``(n,)``, the same for all packets between two hosts.
        conversation: ``(n,)``, numbered in the order of first packets.
        first: ``(conversations,)``, row of each one's first packet.
        component: ``(conversations,)``, the same where hosts are linked by conversations, directly
            or through other hosts.
    """

    hosts: NDArray[np.uint64]
    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    pair: NDArray[np.int64]
    conversation: NDArray[np.int64]
    first: NDArray[np.int64]
    component: NDArray[np.int64]

    @classmethod
    def of(cls, packets: PacketBatch) -> Talk:
        """Find it in packets that are in order of time."""
        hosts, src, dst = _hosts(packets)
        conversation, first = _conversations(packets, src, dst)
        low, high = np.minimum(src, dst), np.maximum(src, dst)
        pair = np.unique(low * len(hosts) + high, return_inverse=True)[1]
        is_host = ~within(hosts, NO_HOST)
        root = _roots(src[first], dst[first], is_host)
        ends = np.where(is_host[src[first]], src[first], dst[first])
        return cls(hosts, src, dst, pair, conversation, first, root[ends])


def within(hosts: NDArray[np.uint64], ranges: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which addresses ``(h, 2)`` are in one of ``(k, 4)`` `networks`: ``(h,)``."""
    matches = (hosts[:, None, :] & ranges[None, :, 2:]) == ranges[None, :, :2]
    return np.asarray(matches.all(axis=2).any(axis=1))


def split_self_talk(packets: PacketBatch) -> None:
    """Give hosts that talk to themselves a twin that answers: on a wire there are two ends."""
    own = np.flatnonzero((packets.src_hi == packets.dst_hi) & (packets.src_lo == packets.dst_lo))
    if not len(own):
        return
    _, src, dst = _hosts(packets)
    conversation, first = _conversations(packets, src, dst)
    asks = packets.sport[own] == _initiator_port(packets, first)[conversation[own]]
    for twin, is_v4 in zip(TWINS, (True, False), strict=True):
        kind = (packets.src_hi[own] == 0) & (packets.src_lo[own] >> np.uint64(32) == 0xFFFF)
        for end, rows in (
            ("dst", own[asks & (kind == is_v4)]),
            ("src", own[~asks & (kind == is_v4)]),
        ):
            getattr(packets, f"{end}_hi")[rows] = twin[0]
            getattr(packets, f"{end}_lo")[rows] = twin[1]


def _hosts(
    packets: PacketBatch,
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """All addresses ``(h, 2)``, and the rows there of each packet's ends."""
    n = len(packets.ts)
    both = np.empty((2 * n, 2), np.uint64)
    both[:n, 0], both[:n, 1] = packets.src_hi, packets.src_lo
    both[n:, 0], both[n:, 1] = packets.dst_hi, packets.dst_lo
    hosts, rows = np.unique(both, axis=0, return_inverse=True)
    rows = rows.reshape(-1).astype(np.int64)
    return hosts, rows[:n], rows[n:]


def _conversations(
    packets: PacketBatch, src: NDArray[np.int64], dst: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each packet's conversation ``(n,)``, and the row of each one's first packet."""
    n = len(src)
    if not n:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    one, other = src << 16 | packets.sport, dst << 16 | packets.dport
    keys = np.stack([np.minimum(one, other), np.maximum(one, other), packets.proto], axis=1)
    key = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.argsort(key, kind="stable")
    begins = np.ones(n, np.bool_)
    begins[1:] = (np.diff(key[order]) != 0) | (np.diff(packets.ts[order]) >= IDLE_NS)
    first = order[begins]
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    conversation = np.empty(n, np.int64)
    conversation[order] = number[np.cumsum(begins) - 1]
    return conversation, np.sort(first)


def _initiator_port(packets: PacketBatch, first: NDArray[np.int64]) -> NDArray[np.uint16]:
    """A SYN-ACK that comes first was sent by the responder, as in `agent.flows.table`."""
    turned = (packets.proto[first] == _TCP) & (packets.flags[first] & _SYN_ACK == _SYN_ACK)
    return np.where(turned, packets.dport[first], packets.sport[first])


def _roots(
    src: NDArray[np.int64], dst: NDArray[np.int64], is_host: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """``(h,)``: one host of each connected component (union-find with path halving)."""
    parent = list(range(len(is_host)))

    def find(host: int) -> int:
        while parent[host] != host:
            parent[host] = parent[parent[host]]
            host = parent[host]
        return host

    linked = is_host[src] & is_host[dst]
    for one, other in {*zip(src[linked].tolist(), dst[linked].tolist(), strict=True)}:
        parent[find(one)] = find(other)
    return np.array([find(host) for host in range(len(parent))], np.int64)
