"""Distinct peers, ports and sources are counted exactly, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.addresses import words
from agent.flows.records import COUNTERS
from agent.observation import NAMES, raw_values
from tests.agent.traffic import SYN, Packet, observe, table

MOST = 256  # a window
PER_HOST = 8  # values beyond the first of a set, on average
WINDOW_S = {"short": 10, "long": 600}
COUNTED = ("short_peers", "short_ports", "short_in_sources", "long_peers", "long_ports")
HOSTS = ["192.168.1.2", "192.168.1.3", "8.8.8.8", "9.8.8.8", "2001:db8::1", "fd00::7"]


class Reference:
    """Python sets, and an ordered dictionary of what may be forgotten."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.first_seen: dict[str, float] = {}
        self.window: dict[tuple[str, str], int] = {}
        self.counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.seen: defaultdict[tuple[str, str], set[object]] = defaultdict(set)
        self.exact: defaultdict[tuple[str, str], set[object]] = defaultdict(set)
        self.others: OrderedDict[tuple[tuple[str, str], object], None] = OrderedDict()
        self.evictions = 0

    def opened(self, p: Packet) -> None:
        for host in (p.src, p.dst):
            self.roll(host, p.at)
        self.mark((p.src, "short_peers"), p.dst)
        self.mark((p.src, "long_peers"), p.dst)
        self.mark((p.src, "short_ports"), p.dport)
        self.mark((p.src, "long_ports"), p.dport)
        self.mark((p.dst, "short_in_sources"), p.src)

    def roll(self, host: str, at: float) -> None:
        first = self.first_seen.setdefault(host, at)
        for length, seconds in WINDOW_S.items():
            window = int((at - first) // seconds)
            if self.window.get((host, length)) == window:
                continue
            self.window[host, length] = window
            for key in [(host, name) for name in COUNTED if name.startswith(length)]:
                self.counts[key] = 0
                for value in self.seen.pop(key, ()):
                    self.others.pop((key, value), None)
                self.exact.pop(key, None)

    def mark(self, key: tuple[str, str], value: object) -> None:
        self.exact[key].add(value)
        if self.counts[key] == MOST:
            return
        if value in self.seen[key]:
            if (key, value) in self.others:
                self.others.move_to_end((key, value))
            return
        if self.counts[key]:  # the first has a place of its own
            if len(self.others) == self.capacity:
                (owner, oldest), _ = self.others.popitem(last=False)
                self.seen[owner].discard(oldest)
                self.evictions += 1
            self.others[key, value] = None
        self.seen[key].add(value)
        self.counts[key] += 1


def count(t: Any, host: str, name: str) -> int:
    row = t.hosts.index_of(*words(host))
    return int(t.hosts.table["current"][row, COUNTERS.index(name)])


steps = st.tuples(
    st.sampled_from([0, 0, 0.5, 3, 9.5, 10, 25, 599.5, 600, 1300]),  # seconds since the last
    st.sampled_from(HOSTS[:3]),
    st.sampled_from(HOSTS[3:]),
    st.integers(1, 600),  # first port
    st.sampled_from([1, 1, 2, 7, 40, 300]),  # ports
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=25), st.sampled_from([16, 64, 512]), st.integers(0, 1 << 64))
def test_counts_equal_those_of_python_sets(
    sequence: list[tuple[float, str, str, int, int]], hosts: int, seed: int
) -> None:
    t, reference = table(hosts=hosts, seed=seed), Reference(PER_HOST * hosts)
    packets: list[Packet] = []
    now = 1000.0
    for gap, src, dst, port, ports in sequence:
        now += gap
        for dport in range(port, port + ports):
            sport = 1000 + len(packets)  # each is a flow of its own
            packets.append(Packet(at=now, src=src, dst=dst, sport=sport, dport=dport, proto=17))
    if packets:
        observe(t, packets)
    for p in packets:
        reference.opened(p)
    keys = [(host, name) for host in reference.first_seen for name in COUNTED]
    assert [count(t, *key) for key in keys] == [reference.counts[key] for key in keys]
    assert t.hosts.others.evictions == reference.evictions
    assert t.hosts.others.index.size == len(reference.others)
    if not reference.evictions:
        assert all(reference.counts[key] == min(len(reference.exact[key]), MOST) for key in keys)


def last(t: Any, packets: list[Packet]) -> dict[str, float]:
    return dict(zip(NAMES, map(float, raw_values(observe(t, packets))[-1]), strict=True))


@pytest.mark.parametrize("step", [1, 233, 256])  # 233: 22, 255, 488 … fell on one bit of a bitmap
def test_a_scan_counts_each_port_whichever_it_chooses(step: int) -> None:
    ports = range(22, 65_536, step)[:200]
    scan = [Packet(at=1000 + i / 100, dport=p, tcp=SYN) for i, p in enumerate(ports)]
    seen = last(table(), scan)
    assert seen["src_ports_short"] == pytest.approx(200, rel=1e-5)
    assert seen["src_ports_long"] == pytest.approx(200, rel=1e-5)


@pytest.mark.parametrize("network", ["{i}.0.7.9", "10.{i}.7.9", "2001:db8:{i}::{i}"])
def test_a_sweep_counts_each_address_whichever_it_chooses(network: str) -> None:
    peers = [network.format(i=i) for i in range(11, 100)]
    sweep = [Packet(at=1000 + i / 100, dst=p, tcp=SYN) for i, p in enumerate(peers)]
    back = [Packet(at=1001, src=p, dst="192.168.1.20", proto=17) for p in peers]
    assert last(table(), sweep)["src_peers_short"] == pytest.approx(len(peers), rel=1e-5)
    assert last(table(), back)["dst_sources_short"] == pytest.approx(len(peers), rel=1e-5)


def test_a_scan_of_all_ports_takes_no_more_memory_than_one_of_256() -> None:
    t = table(hosts=64)
    observe(t, [Packet(at=1000 + i / 1e4, dport=i, proto=17) for i in range(1, 65_536)])
    assert count(t, "192.168.1.20", "short_ports") == count(t, "192.168.1.20", "long_ports") == MOST
    assert t.hosts.others.index.size == 2 * (MOST - 1)
    assert t.hosts.others.evictions == 0


def test_a_host_that_goes_takes_its_values_along() -> None:
    """So a flood of invented sources crowds out nobody's."""
    t = table(hosts=64)
    observe(t, [Packet(at=1000, dst=f"8.8.8.{i}", sport=i, proto=17) for i in range(1, 41)])
    flood = [
        Packet(at=1001 + i / 1e4, src=f"10.{i >> 8}.{i & 255}.1", dst="8.8.8.1", dport=p, proto=17)
        for i in range(3000)
        for p in (80, 443)
    ]
    steady = [Packet(at=p.at, dst="8.8.8.2", sport=i, proto=17) for i, p in enumerate(flood)]
    observe(t, [p for both in zip(flood, steady, strict=True) for p in both])
    assert t.hosts.evictions > 2900
    assert t.hosts.others.evictions == 0
    assert count(t, "192.168.1.20", "long_peers") == 40
