"""The token bucket on tensors, against one packet after another."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.gateway.throttle import BURST, RATE, throttle

_PACKETS = st.lists(
    st.tuples(st.integers(40, 1500), st.floats(0, 0.5, width=32)), min_size=1, max_size=8
)


def _one_by_one(backlog: float, packets: list[tuple[int, float]]) -> tuple[float, float, float]:
    """Backlog after all, and mean latency; and bytes that had to wait beyond the last packet."""
    waited = 0.0
    for size, gap in packets:
        backlog = max(backlog - RATE * gap, 0) + size
        waited += max(backlog - BURST, 0) / RATE
    return backlog, waited / len(packets), max(backlog - BURST, 0)


def _segments(packets: list[tuple[int, float]]) -> torch.Tensor:
    sizes, gaps = zip(*packets, strict=True)
    return torch.tensor([[sizes, [1.0] * len(sizes), gaps]])


@given(st.floats(0, 20_000, width=32), _PACKETS)
def test_a_queue_is_the_same_packet_by_packet(
    backlog: float, packets: list[tuple[int, float]]
) -> None:
    wanted, latency, held = _one_by_one(backlog, packets)
    found = throttle(torch.tensor([backlog]), _segments(packets))
    assert found.backlog.item() == pytest.approx(wanted, rel=1e-4, abs=1)
    assert found.latency_s.item() == pytest.approx(latency, rel=1e-3, abs=1e-3)
    more = max(held - max(backlog - BURST, 0), 0)
    share = more / sum(size for size, _ in packets)
    assert found.passed.item() == pytest.approx(1 - min(share, 1), abs=1e-3)


def test_a_trickle_is_not_delayed() -> None:
    """Ten packets of 100 bytes a second are 8 kbit/s."""
    found = throttle(torch.zeros(1), _segments([(100, 0.1)] * 10))
    assert found.latency_s.item() == 0
    assert found.passed.item() == 1


def test_a_bulk_transfer_waits_by_hand() -> None:
    """Four packets at once: two pass as a burst, the third waits 1,500 bytes, the fourth 3,000."""
    found = throttle(torch.zeros(1), _segments([(1500, 0.0)] * 4))
    assert found.latency_s.item() == pytest.approx((0 + 0 + 0.12 + 0.24) / 4)
    assert found.passed.item() == pytest.approx(0.5)
    assert found.backlog.item() == 6000


def test_no_packet_is_no_latency() -> None:
    found = throttle(torch.tensor([9000.0]), torch.zeros(1, 3, 4))
    assert found.latency_s.item() == 0
    assert found.passed.item() == 1
    assert found.backlog.item() == 9000
