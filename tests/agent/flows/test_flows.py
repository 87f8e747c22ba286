"""FlowTable against a plain-Python reference, and by hand."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.addresses import words
from tests.agent.traffic import ACK, FIN, RST, SYN, Packet, follow, table

IDLE, ACTIVE = 30.0, 100.0
COUNTS = ("packets_fwd", "packets_bwd", "payload_fwd", "payload_bwd", "ip_bytes")


def reference(packets: list[Packet], idle: float, active: float) -> list[dict[str, Any]]:
    """Flows the slow, obvious way: dictionaries, and a list of what ended."""
    living: OrderedDict[Any, dict[str, Any]] = OrderedDict()
    ended, now = [], 0.0
    for p in packets:
        now = max(now, p.at)
        for key in [k for k, f in living.items() if now - f["last"] >= idle]:
            ended.append(living.pop(key))
        ends = frozenset(((p.src, p.sport), (p.dst, p.dport)))
        key = (ends, p.proto, p.vlan)
        flow = living.get(key)
        if flow and (now - flow["first"] >= active or (begins(p) and flow["over"]())):
            ended.append(living.pop(key))
            flow = None
        if flow is None:
            flow = new_flow(p, now)
        living[key] = flow
        living.move_to_end(key)
        count(flow, p, now)
    return ended + list(living.values())


def begins(p: Packet) -> bool:
    return p.proto == 6 and p.tcp & (SYN | ACK) == SYN


def new_flow(p: Packet, now: float) -> dict[str, Any]:
    turned = p.proto == 6 and p.tcp & (SYN | ACK) == SYN | ACK
    src = (p.dst, p.dport) if turned else (p.src, p.sport)
    flow: dict[str, Any] = dict.fromkeys(COUNTS, 0) | {"src": src, "first": now, "tcp": [0, 0]}
    tcp = flow["tcp"]
    flow["over"] = lambda: (tcp[0] | tcp[1]) & RST or tcp[0] & tcp[1] & FIN
    return flow


def count(flow: dict[str, Any], p: Packet, now: float) -> None:
    way = 0 if (p.src, p.sport) == flow["src"] else 1
    flow[("packets_fwd", "packets_bwd")[way]] += 1
    flow[("payload_fwd", "payload_bwd")[way]] += p.payload
    flow["ip_bytes"] += 40 + p.payload
    flow["tcp"][way] |= p.tcp if p.proto == 6 else 0
    flow["last"] = now


addresses = st.sampled_from(["192.168.1.2", "192.168.1.3", "8.8.8.8", "2001:db8::1", "fd00::7"])
packets = st.builds(
    Packet,
    at=st.integers(1000, 1400).map(float),
    src=addresses,
    dst=addresses,
    sport=st.integers(1, 3),
    dport=st.integers(1, 3),
    proto=st.sampled_from([6, 17]),
    tcp=st.sampled_from([SYN, SYN | ACK, ACK, FIN | ACK, RST]),
    payload=st.integers(0, 1460),
    vlan=st.sampled_from([0, 10]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(packets, max_size=120), st.integers(1, 50), st.booleans())
def test_counters_equal_the_reference(sequence: list[Packet], cut: int, in_order: bool) -> None:
    sequence = sorted(sequence, key=lambda p: p.at) if in_order else sequence
    got = follow(table(idle_s=IDLE, active_s=ACTIVE), sequence, cut)
    want = reference(sequence, IDLE, ACTIVE)
    assert [[int(f[c]) for c in COUNTS] for f in got] == [[f[c] for c in COUNTS] for f in want]
    assert [f["first_ns"] / 1e9 for f in got] == [f["first"] for f in want]


@settings(max_examples=50, deadline=None)
@given(st.lists(packets, max_size=80))
def test_no_packet_is_lost_and_results_do_not_depend_on_the_seed(sequence: list[Packet]) -> None:
    got = [follow(table(seed=seed), sequence) for seed in (1, 2)]
    assert got[0] == got[1]
    assert sum(int(f["packets_fwd"]) + int(f["packets_bwd"]) for f in got[0]) == len(sequence)


@settings(max_examples=50, deadline=None)
@given(st.lists(packets, max_size=200))
def test_the_caps_are_never_exceeded(sequence: list[Packet]) -> None:
    t = table(flows=16, hosts=16)
    ended = follow(t, sequence)
    assert t.flows == len(ended)
    assert t.index.size == 0
    assert t.index.capacity == 16
    assert t.hosts.index.size <= 16
    assert t.pairs.index.size <= 256


def test_a_full_table_gives_up_the_flow_idle_for_longest() -> None:
    sequence = [Packet(at=1000 + i, sport=1000 + i, proto=17) for i in range(16)]
    sequence.append(Packet(at=1020, sport=1000, proto=17))  # the first is busy again
    sequence.append(Packet(at=1021, sport=5000, proto=17))
    t = table(flows=16)
    ended = follow(t, sequence)
    assert t.evictions == 1
    assert ended[0]["sport"] == 1001


def test_a_syn_flood_takes_no_memory() -> None:
    t = table(flows=64, hosts=64)
    flood = [
        Packet(at=1000 + i / 1e4, src=f"10.{i >> 14}.{i >> 7 & 127}.{i & 127}", tcp=SYN)
        for i in range(20_000)
    ]
    arrays = [t.table, t.hosts.table, t.pairs.table, t.points, t.ended]
    addresses = [a.__array_interface__["data"] for a in arrays]
    follow(t, flood)
    assert t.flows == 20_000
    assert t.evictions == 20_000 - 64
    assert [a.__array_interface__["data"] for a in arrays] == addresses


def test_a_syn_ack_that_comes_first_was_sent_by_the_responder() -> None:
    answer = Packet(src="198.51.100.7", dst="192.168.1.20", sport=443, dport=4000, tcp=SYN | ACK)
    (flow,) = follow(table(), [answer, answer.back(tcp=ACK)])
    assert (flow["src_hi"], flow["src_lo"]) == words("192.168.1.20")
    assert (flow["dport"], flow["packets_fwd"], flow["packets_bwd"]) == (443, 1, 1)


def test_handshake_round_trip_and_retransmissions() -> None:
    syn = Packet(at=1000, tcp=SYN, seq=100)
    (flow,) = follow(
        table(),
        [
            syn,
            syn.back(at=1000.025, tcp=SYN | ACK, seq=900),
            Packet(at=1000.026, seq=101),
            Packet(at=1000.03, seq=101, payload=500),
            Packet(at=1000.33, seq=101, payload=500),  # again
            Packet(at=1000.34, seq=101),  # a pure ACK repeats nothing
            Packet(at=1000.4, seq=601, payload=10, tcp=FIN | ACK),
        ],
    )
    assert flow["rtt_ns"] == 25_000_000
    assert (flow["established"], flow["syns"], flow["retransmissions"]) == (1, 1, 1)


@pytest.mark.parametrize("closing", [[RST], [FIN | ACK, FIN | ACK]])
def test_a_syn_after_the_close_opens_a_new_flow(closing: list[int]) -> None:
    first = [Packet(at=1000, tcp=SYN), Packet().back(at=1000.1, tcp=SYN | ACK)]
    ends = [
        Packet(at=1001, tcp=t) if i % 2 == 0 else Packet().back(at=1001, tcp=t)
        for i, t in enumerate(closing)
    ]
    assert len(follow(table(), [*first, *ends, Packet(at=1002, tcp=SYN)])) == 2
    assert len(follow(table(), [*first, Packet(at=1002, tcp=SYN)])) == 1


def test_time_that_runs_backwards_stands_still() -> None:
    (flow,) = follow(table(), [Packet(at=1000), Packet(at=900), Packet(at=1001)])
    assert (flow["first_ns"], flow["last_ns"]) == (1000 * 10**9, 1001 * 10**9)
