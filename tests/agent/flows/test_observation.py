"""The observation: hand-worked values, feature by feature, and its contract."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.decision import RuleKey, RuleKind
from agent.observation import FEATURES, LOG_SCALE, NAMES, TRANSFORMS, Transform, raw_values
from tests.agent.flows.observation_page import PAGE, page
from tests.agent.traffic import ACK, FIN, NEVER, NS, PSH, RST, SYN, Packet, observe, table


def last(packets: list[Packet]) -> dict[str, float]:
    """The latest decision point's features in their units."""
    raw = raw_values(observe(table(), packets))[-1]
    return dict(zip(NAMES, map(float, raw), strict=True))


def test_a_handshake_and_a_request() -> None:
    seen = last(
        [
            Packet(at=1000, tcp=SYN, window=64240),
            Packet().back(at=1000.05, tcp=SYN | ACK, window=28960),
            Packet(at=1000.06, seq=1),
            Packet(at=1000.10, tcp=ACK | PSH, payload=517, seq=1),
            *[Packet().back(at=1000.2, payload=1400, seq=1 + 1400 * i) for i in range(4)],
        ]
    )
    want = {
        "tcp": 1, "udp": 0, "icmp": 0, "service_web": 1, "service_known": 0,
        "initiator_local": 1, "responder_local": 0, "responder_group": 0,
        "duration": 200, "packets_fwd": 3, "packets_bwd": 5,
        "payload_fwd": 517, "payload_bwd": 5600,
        "payload_mean_fwd": 517 / 3, "payload_mean_bwd": 1120,
        "rate": (8 * 40 + 6117) / 1.2, "gap_mean": 50, "gap_last": 0,
        "size_1": 0, "size_2": 0, "size_3": 0, "size_4": 517, "size_5": -1400, "size_6": -1400,
        "syns": 1, "answered": 1, "established": 1, "reset_fwd": 0, "reset_bwd": 0, "finished": 0,
        "handshake": 50, "window_fwd": 64240, "window_bwd": 28960, "retransmissions": 0,
        "src_flows_short": 1, "src_flows_long": 1, "src_peers_long": 1, "src_ports_long": 1,
        "src_unanswered_short": 0, "src_unanswered_long": 0, "src_refused_long": 0,
        "src_upload_long": 517, "dst_flows_short": 1, "dst_sources_short": 1,
        "dst_half_open_short": 0, "pair_flows": 1, "pair_gap_mean": 0, "pair_gap_regularity": 0,
        "pair_upload": 517, "pair_age": 0.2, "src_alerts": 0, "in_force_flow": 0,
    }  # fmt: skip
    assert {name: seen[name] for name in want} == pytest.approx(want, rel=1e-5, abs=1e-5)


def test_a_scan_that_is_refused() -> None:
    packets = []
    for i in range(20):
        probe = Packet(at=1000 + i * 0.1, sport=50000, dport=1000 + i, tcp=SYN)
        packets += [probe, probe.back(at=1000 + i * 0.1 + 0.01, tcp=RST | ACK)]
    seen = last(packets)
    assert seen["src_flows_short"] == pytest.approx(20, rel=1e-5)
    assert seen["src_peers_short"] == pytest.approx(1, rel=1e-5)
    assert seen["src_ports_short"] == pytest.approx(20, rel=1e-5)
    assert seen["src_unanswered_short"] == 1
    assert seen["src_refused_long"] == 1
    assert seen["reset_bwd"] == 1
    assert seen["answered"] == 0
    assert seen["dst_half_open_short"] == pytest.approx(20, rel=1e-5)


def test_a_beacon_is_regular_for_its_pair() -> None:
    beats = [Packet(at=1000 + 30 * i, sport=40000 + i, tcp=SYN) for i in range(10)]
    seen = last(beats)
    assert seen["pair_flows"] == pytest.approx(10, rel=1e-5)
    assert seen["pair_gap_mean"] == pytest.approx(30, rel=1e-5)
    assert seen["pair_gap_regularity"] == 1
    assert seen["pair_age"] == pytest.approx(270, rel=1e-5)


def test_gap_regularity_is_one_over_one_plus_the_coefficient_of_variation() -> None:
    times = [1000, 1001, 1003, 1004, 1006, 1007, 1009, 1010]
    gaps = np.diff(times)
    seen = last([Packet(at=t, proto=17) for t in times])
    assert seen["gap_mean"] == pytest.approx(1e3 * gaps.mean(), rel=1e-5)
    assert seen["gap_regularity"] == pytest.approx(1 / (1 + gaps.std() / gaps.mean()), rel=1e-5)


def test_windows_slide() -> None:
    old = [Packet(at=1000 + i, sport=i + 1, proto=17) for i in range(4)]
    seen = last([*old, Packet(at=1015, sport=99, proto=17)])
    # The short window began at 1000: half of its 4 still count at 1015, and the new one.
    assert seen["src_flows_short"] == pytest.approx(3, rel=1e-5)
    assert seen["src_flows_long"] == pytest.approx(5, rel=1e-5)
    assert last([*old, Packet(at=1030, sport=99, proto=17)])["src_flows_short"] == pytest.approx(1)


def test_decision_points_come_at_powers_of_two_and_every_five_seconds() -> None:
    quick = [Packet(at=1000 + i / 100, proto=17) for i in range(40)]
    assert len(observe(table(), quick)) == 6  # 1 2 4 8 16 32
    slow = [Packet(at=1000 + 3 * i, proto=17) for i in range(9)]
    # Packets 1 2 4 8, and 3, 6 … s after: the sixth at 15 s is 6 s after the fourth at 9 s.
    packets = raw_values(observe(table(), slow))[:, NAMES.index("packets_fwd")]
    assert [round(p) for p in packets] == [1, 2, 4, 6, 8]


def test_a_decision_point_comes_when_the_hosts_context_crosses_a_threshold() -> None:
    steady = [Packet(at=1000 + i / 1000, sport=1, proto=17) for i in range(3)]
    probes = [Packet(at=1001 + i / 1000, sport=2, dport=100 + i, proto=17) for i in range(16)]
    without = len(observe(table(), [*steady, *probes[:2], Packet(at=1002, sport=1, proto=17)]))
    assert without == 2 + 2 + 1  # packet 4 is one anyway
    t = table()
    observe(t, [*steady, Packet(at=1000.5, sport=1, proto=17), *probes])
    assert len(observe(t, [Packet(at=1002, sport=1, proto=17)])) == 1  # packet 5, by context
    assert len(observe(t, [Packet(at=1002.1, sport=1, proto=17)])) == 0


def test_rules_and_alerts_show() -> None:
    t = table()
    source = Packet(proto=17)
    observe(t, [source])
    row = t.table[1]
    key = RuleKey(RuleKind.THROTTLE_SOURCE, int(row["src_hi"]), int(row["src_lo"]))
    t.put_in_force(key, 1, 1000 * NS, NEVER)
    assert t.hosts.alert(key.hi, key.lo, 3.0, 1000 * NS)
    seen = dict(zip(NAMES, raw_values(observe(t, [Packet(at=1004, proto=17)]))[-1], strict=True))
    assert seen["in_force_flow"] == pytest.approx(1 / 3)
    assert seen["in_force_src"] == pytest.approx(1 / 3)
    assert seen["in_force_time"] == pytest.approx(4, rel=1e-5)
    assert seen["src_alerts"] == pytest.approx(3, rel=1e-5)


def test_own_verdicts_show_where_a_host_begins_and_not_where_it_answers() -> None:
    t = table()
    observe(t, [Packet(proto=17)])
    row = t.table[1]
    assert t.hosts.acted(int(row["src_hi"]), int(row["src_lo"]), 2, 1000 * NS)
    assert t.hosts.alert(int(row["src_hi"]), int(row["src_lo"]), 0.5, 1000 * NS)
    there, back = Packet(at=1001, proto=17, sport=7), Packet(at=1001, proto=17, dport=7).back()
    for packet, column, weight in ((there, "src_alerts", 2.5), (back, "dst_alerts", 0.5)):
        seen = dict(zip(NAMES, raw_values(observe(t, [packet]))[-1], strict=True))
        assert seen[column] == pytest.approx(weight, rel=1e-5)


def test_service_classes_stand_for_ports() -> None:
    for dport, name in ((22, "service_login"), (445, "service_file"), (50000, "service_dynamic")):
        seen = last([Packet(dport=dport, tcp=SYN)])
        assert [n for n in NAMES if n.startswith("service_") and seen[n]] == [name]
    group = last([Packet(dst="239.255.255.250", dport=1900, proto=17)])
    assert group["responder_group"] == 1
    assert group["service_infra"] == 1


def test_addresses_and_absolute_time_do_not_show() -> None:
    def move(p: Packet) -> Packet:
        ends = {"192.168.1.20": "10.9.8.7", "198.51.100.7": "203.0.113.250"}
        return Packet(**{**vars(p), "at": p.at + 5e6, "src": ends[p.src], "dst": ends[p.dst]})

    flow = [Packet(tcp=SYN), Packet().back(tcp=SYN | ACK), Packet(), Packet(tcp=FIN | ACK)]
    here, there = (observe(table(), packets) for packets in (flow, [move(p) for p in flow]))
    assert np.array_equal(here, there)


@given(hnp.arrays(np.float64, len(FEATURES), elements=st.floats(0, 1e12)))
def test_transforms_can_be_undone(raw: np.ndarray) -> None:
    raw[TRANSFORMS == Transform.IDENTITY] /= 1e12
    logs = np.log1p(raw) / LOG_SCALE
    scaled = np.where(TRANSFORMS == Transform.IDENTITY, raw, logs).astype(np.float32)
    assert raw_values(scaled[None])[0] == pytest.approx(raw, rel=1e-4, abs=1e-6)


def test_names_are_unique_and_every_feature_has_a_unit_and_a_source() -> None:
    assert len(set(NAMES)) == len(NAMES) == 64
    assert all(f.unit and f.source and f.meaning for f in FEATURES)
    assert math.isclose(LOG_SCALE, 8.0)


def test_the_page_lists_the_features() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
