"""Mutated captures through the whole replay: only named errors come out, and it always ends."""

from __future__ import annotations

import contextlib
import random
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from agent.bundle import Bundle
from agent.config import FlowSettings, Settings
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.errors import SluiceError
from agent.flows.capacity import Capacity
from agent.policy import Policy
from agent.replay import replay_one
from tests.agent.capture.test_damage import mutate
from tests.agent.flows.golden import Onlooker
from tests.agent.traffic import Packet, batch_of

TINY = Settings(flows=FlowSettings(capacity=Capacity(flows=64, hosts=32, pairs=32, rules=16)))


@pytest.mark.parametrize("name", ["scan", "page", "beacon"])
def test_mutated_captures_replay_or_are_refused(samples: Path, tmp_path: Path, name: str) -> None:
    policy, dice = Policy(Bundle.default()), random.Random(name)
    content = (samples / f"{name}.pcap").read_bytes()
    path = tmp_path / "mutated.pcap"
    tracemalloc.start()
    for _ in range(300):
        path.write_bytes(mutate(content, dice))
        with contextlib.suppress(SluiceError):
            result = replay_one(path, None, TINY, policy)
            assert result.flows <= result.packets
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_a_time_of_any_64_bits_ends(samples: Path, tmp_path: Path) -> None:
    content = bytearray((samples / "scan.pcap").read_bytes())
    content[24:32] = struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF)
    path = tmp_path / "late.pcap"
    path.write_bytes(content)
    assert replay_one(path, None, TINY, Policy(Bundle.default())).packets > 50


@pytest.mark.parametrize("at", [-(2**63), -1, 0, 2**62 + 5, 2**63 - 1])
def test_engines_take_times_before_1970_and_after_2116(at: int) -> None:
    batch = batch_of([Packet(), Packet(sport=2), Packet(sport=3)])
    batch.ts[1] = np.int64(at)
    engine = Engine(TINY, Onlooker(), Recorder())
    points = sum(len(step.points) for step in (*engine.feed(batch), *engine.finish()))
    assert points == 3
