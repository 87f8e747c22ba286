"""Engine: feedback by ticks, the allow-list end to end, independence of how packets are cut."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.addresses import words
from agent.capture.files import open_capture
from agent.config import FlowSettings, GuardSettings, Settings
from agent.decision import Reason, Verdict
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.observation import NAMES
from agent.replay import steps
from tests.agent.traffic import SYN, Packet, batch_of


class Always:
    """A policy of one verdict, optionally only for flows of one feature."""

    def __init__(self, verdict: Verdict, feature: str | None = None) -> None:
        self.verdict, self.feature = verdict, feature

    def logits(self, observations: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        logits = np.zeros((len(observations), 4), np.float32)
        where = observations[:, NAMES.index(self.feature)] > 0 if self.feature else slice(None)
        logits[where, self.verdict] = 20.0
        return logits


def run(engine: Engine, packets: Iterable[Packet]) -> tuple[list[Any], list[np.void]]:
    """Decisions as ``(applied, reason)`` in order, and ended flows by serial."""
    decisions, ended = [], []
    batch = batch_of(packets)
    for stage in (engine.feed(batch), engine.finish()):
        for step in stage:
            decisions += list(zip(step.applied.tolist(), step.reasons.tolist(), strict=True))
            ended += [row.copy() for row in engine.table.ended[: engine.table.n_ended]]
    return decisions, sorted(ended, key=lambda row: row["serial"])


def test_a_block_stops_later_flows_to_the_same_service_and_no_others() -> None:
    engine = Engine(Settings(), Always(Verdict.BLOCK, "service_web"), Recorder())
    packets = [
        Packet(at=1000.0, sport=1, tcp=SYN),
        Packet(at=1002.0, sport=1),
        Packet(at=1002.1, sport=2, tcp=SYN),
        Packet(at=1002.2, sport=3, dport=22, tcp=SYN),
    ]
    decisions, flows = run(engine, packets)
    assert decisions == [(Verdict.BLOCK, Reason.POLICY), (Verdict.ALLOW, Reason.POLICY)]
    assert [int(f["passed_packets"]) for f in flows] == [1, 0, 1]
    assert [int(f["worst"]) for f in flows] == [2, 2, 0]


def test_flows_of_one_tick_are_stopped_by_their_own_verdicts() -> None:
    engine = Engine(Settings(), Always(Verdict.ISOLATE), Recorder())
    scan = [Packet(at=1000.0 + i / 1000, dport=1 + i, tcp=SYN) for i in range(50)]
    scan += [Packet(at=1000.5, dport=7), Packet(at=1000.6, dport=7)]  # packets 2 and 3 of one
    decisions, flows = run(engine, scan)
    assert decisions[0] == (Verdict.ISOLATE, Reason.POLICY)
    assert set(decisions[1:]) == {(Verdict.ISOLATE, Reason.IN_FORCE)}
    assert {int(f["worst"]) for f in flows} == {Verdict.ISOLATE}
    assert {int(f["passed_packets"]) for f in flows} == {1}


def test_a_rule_expires_with_packet_time() -> None:
    engine = Engine(Settings(), Always(Verdict.BLOCK), Recorder())
    packets = [Packet(at=1000.0 + 55 * i, proto=17) for i in range(3)]
    _, (flow,) = run(engine, packets)
    assert flow["passed_packets"] == 2  # at 0 s, and at 110 s after 60 s of block
    assert flow["stopped_at"] == 1  # what passes later does not count


def test_a_flow_that_a_rule_awaits_is_stopped_at_nothing() -> None:
    engine = Engine(Settings(), Always(Verdict.BLOCK, "service_web"), Recorder())
    packets = [Packet(at=1000.0, sport=1), Packet(at=1002.0, sport=2), Packet(at=1070.0, sport=2)]
    _, flows = run(engine, packets)
    assert [int(f["stopped_at"]) for f in flows] == [1, 0]
    assert flows[1]["passed_packets"] == 1


def test_a_flow_that_is_decided_about_twice_in_a_tick_is_stopped_at_the_first() -> None:
    engine = Engine(Settings(), Always(Verdict.BLOCK), Recorder())
    packets = [Packet(at=1000.0 + i / 10, proto=17) for i in range(5)]
    _, (flow,) = run(engine, packets)
    assert (flow["stopped_at"], flow["passed_packets"]) == (1, 1)


def test_an_isolated_host_reaches_nobody_but_the_allow_list() -> None:
    settings = Settings(guard=GuardSettings(allow=("192.168.1.1",)))
    engine = Engine(settings, Always(Verdict.ISOLATE, "service_web"), Recorder())
    later = [("8.8.8.8", 53), ("192.168.1.9", 445), ("192.168.1.1", 53)]
    packets = [Packet(at=1000.0)] + [
        Packet(at=1002.0, dst=dst, dport=port, proto=17) for dst, port in later
    ]
    _, flows = run(engine, packets)
    assert [int(f["passed_packets"]) for f in flows] == [1, 0, 0, 1]


def test_a_throttle_adds_the_latency_of_a_token_bucket() -> None:
    engine = Engine(Settings(), Always(Verdict.THROTTLE), Recorder())
    packets = [Packet(at=1000.0, proto=17)]
    packets += [Packet(at=1002.0 + i * 0.01, proto=17, payload=1210) for i in range(4)]
    _, (flow,) = run(engine, packets)
    # 1,250 bytes take 100 ms at 100 kbit/s and come every 10 ms; 3,000 bytes (240 ms) are free.
    waits = [max(0, 100 * (i + 1) - 10 * i - 240) for i in range(4)]
    assert flow["delay_ns"] == sum(waits) * 1_000_000
    assert flow["throttled_packets"] == 4


@pytest.mark.parametrize(
    "entry", ["198.51.100.0/24", "192.168.1.20", "port 443", "02:00:00:00:00:01", "interface wan"]
)
def test_every_kind_of_allow_list_entry_exempts(entry: str) -> None:
    settings = Settings(guard=GuardSettings(allow=(entry,)))
    engine = Engine(settings, Always(Verdict.ISOLATE), Recorder())
    engine.name_interfaces(["lan", "wan"])
    packets = [Packet(at=1000.0 + i, src_mac=0x020000000001, interface=1) for i in range(4)]
    decisions, (flow,) = run(engine, packets)
    assert set(decisions) == {(Verdict.ALLOW, Reason.ALLOW_LIST)}
    assert flow["passed_packets"] == 4


addresses = st.sampled_from(["192.168.1.2", "192.168.1.3", "203.0.113.1", "2001:db8::1", "fd00::7"])
packets = st.builds(
    Packet,
    at=st.integers(1000, 1300).map(float),
    src=addresses,
    dst=addresses,
    sport=st.integers(1, 3),
    dport=st.integers(1, 3),
    proto=st.sampled_from([6, 17, 1]),
    tcp=st.just(SYN),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(packets, max_size=80), addresses, st.sampled_from(list(Verdict)[1:]))
def test_nothing_is_ever_done_to_an_allow_listed_address(
    sequence: list[Packet], listed: str, verdict: Verdict
) -> None:
    settings = Settings(
        guard=GuardSettings(allow=(listed,)), flows=FlowSettings(idle_s=40, active_s=90)
    )
    _, flows = run(Engine(settings, Always(verdict), Recorder()), sequence)
    for flow in flows:
        ends = {(flow["src_hi"], flow["src_lo"]), (flow["dst_hi"], flow["dst_lo"])}
        if words(listed) in ends:
            assert flow["worst"] == flow["verdict"] == flow["throttled_packets"] == 0
            assert flow["passed_packets"] == flow["packets_fwd"] + flow["packets_bwd"]


@pytest.mark.parametrize("size", [1, 37, 8192])
def test_results_do_not_depend_on_the_block_size(samples: Path, size: int) -> None:
    def observe(batch_packets: int) -> tuple[bytes, list[int]]:
        engine = Engine(Settings(), Always(Verdict.BLOCK, "service_login"), Recorder())
        with open_capture(samples / "office.pcap", batch_packets=batch_packets) as reader:
            made = [(s.observations.tobytes(), s.applied.tolist()) for s in steps(reader, engine)]
        return b"".join(o for o, _ in made), [v for _, a in made for v in a]

    assert observe(size) == observe(1000)
