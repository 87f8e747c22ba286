"""Alerts on tensors, against the agent's host table."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.addresses import words
from agent.capture.files import open_capture
from agent.config import Settings
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.flows.hosts import HostTable
from agent.flows.records import COUNTERS
from agent.replay import steps
from training.gateway.alert_windows import AlertWindows
from training.gateway.record import AllowAll

_BEACON = Path(__file__).parents[2] / "captures" / "beacon.pcap"
_ALERTS = st.lists(st.tuples(st.floats(0, 900), st.integers(0, 3)), min_size=1, max_size=12)


def _hosts() -> HostTable:
    """A host table that has seen a capture."""
    engine = Engine(Settings(), AllowAll(), Recorder())
    with open_capture(_BEACON) as reader:
        for _ in steps(reader, engine):
            pass
    return engine.table.hosts


@settings(deadline=None, max_examples=30)
@given(_ALERTS)
def test_windows_are_those_of_the_agent(gaps: list[tuple[float, int]]) -> None:
    hosts = _hosts()
    address = words("10.20.10.22")  # who beacons there
    row = hosts.index_of(*address)
    first, now = int(hosts.table["first_ns"][row]), int(hosts.table["last_ns"][row])
    mine = AlertWindows(1, 1, torch.device("cpu"))
    host = torch.zeros(1, 1, dtype=torch.int64)
    since = torch.zeros(1, 1, dtype=torch.float64)
    for gap, weight in gaps:
        now += int(gap * 1e9)
        assert hosts.alert(*address, float(weight), now)
        at = torch.tensor([(now - first) / 1e9], dtype=torch.float64)
        mine.add(host, since, at, torch.tensor([[float(weight)]]))
        assert mine.recent(host, since, at).item() == pytest.approx(
            _recent(hosts, row, now), abs=1e-3
        )


def _recent(hosts: HostTable, row: int, now: int) -> float:
    """As `HostTable.recent` says it, which only compiled code can call."""
    place = COUNTERS.index("long_alerts")
    rest = 1 - (now - hosts.table["long_start_ns"][row]) / 600e9
    return float(hosts.table["current"][row][place] + hosts.table["previous"][row][place] * rest)


def test_an_alert_fades_within_twenty_minutes() -> None:
    """By hand: 4 points at 300 s count in full until 600 s, half of them at 900 s, none at 1200."""
    mine = AlertWindows(1, 2, torch.device("cpu"))
    host = torch.tensor([[1]])
    first = torch.zeros(1, 1, dtype=torch.float64)
    mine.add(host, first, torch.tensor([300.0]).double(), torch.tensor([[4.0]]))
    found = [mine.recent(host, first, torch.tensor([t]).double()).item() for t in (599, 900, 1200)]
    assert found == pytest.approx([4, 2, 0], abs=1e-3)
    assert mine.recent(host * 0, first, torch.tensor([300.0]).double()).item() == 0


def test_others_forget_nothing_when_one_begins_anew() -> None:
    mine = AlertWindows(2, 1, torch.device("cpu"))
    host, first = torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, 1, dtype=torch.float64)
    time = torch.tensor([5.0, 5.0]).double()
    mine.add(host, first, time, torch.ones(2, 1))
    mine.reset(torch.tensor([0]))
    assert mine.recent(host, first, time)[:, 0].tolist() == [0, 1]
