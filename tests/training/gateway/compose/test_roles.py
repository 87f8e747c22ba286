"""Who is inside: what the capture says, or else a side that is drawn."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from agent.labels import FlowLabels
from tests.training.gateway.compose.captures import capture, hosts_of, parts_of, syn, talk, write
from training.gateway.compose.parts import cut
from training.gateway.compose.roles import inside

_EVIL = FlowLabels.whole_capture(True, "scan")


def test_both_ends_of_a_capture_keep_their_sides(tmp_path: Path) -> None:
    [part] = parts_of(write(tmp_path / "a.pcap", talk("10.0.0.1", "9.9.9.9", 0)))
    for seed in range(10):
        assert inside(part, Random(seed)).tolist() == [h == "10.0.0.1" for h in hosts_of(part)]


@pytest.mark.parametrize("ends", [("10.0.0.1", "10.0.0.2"), ("9.9.9.9", "8.8.8.8")])
def test_a_side_is_drawn_where_the_capture_says_none(tmp_path: Path, ends: tuple[str, str]) -> None:
    path = write(tmp_path / "a.pcap", talk(*ends, 0))
    [attack] = cut(capture(path.name), tmp_path, _EVIL, 10)
    sides = {tuple(inside(attack, Random(seed)).tolist()) for seed in range(40)}
    both = {(True, True)} if ends[0].startswith("10.") else set()
    assert sides == {(True, False), (False, True)} | both


def test_a_crowd_is_outside(tmp_path: Path) -> None:
    flood = [(i * 0.01, syn(f"9.9.{i}.9", "8.8.8.8", 4000, 80)) for i in range(100)]
    [part] = cut(capture(write(tmp_path / "a.pcap", flood).name), tmp_path, _EVIL, 10)
    for seed in range(10):
        assert inside(part, Random(seed)).sum() == 1
