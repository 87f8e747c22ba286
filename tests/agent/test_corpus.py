"""Every recorded capture, the odd ones too, replays from end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.bundle import Bundle
from agent.config import FlowSettings, Settings
from agent.errors import NotACapture
from agent.flows.capacity import Capacity
from agent.labels import FlowLabels, label_path
from agent.policy import Policy
from agent.replay import replay_one
from agent.report import peak_rss_bytes

ROOT = Path(__file__).parents[2]
SMALL = Settings(
    flows=FlowSettings(capacity=Capacity(flows=2048, hosts=512, pairs=1024, rules=256))
)


@pytest.mark.parametrize("folder", ["benign", "malicious", "mixed", "odd"])
def test_all_captures_replay(shared: Path, folder: str) -> None:
    policy = Policy(Bundle.default())
    replayed, refused = 0, []
    for path in sorted((shared / "captures" / folder).iterdir()):
        if path.suffix == ".csv":
            continue
        try:
            result = replay_one(path, None, SMALL, policy)
        except NotACapture as error:
            refused.append(str(error))
            continue
        replayed += 1
        followed = result.packets - result.undecoded.total()
        assert result.flows <= followed, path
        assert result.tally.points >= min(1, result.flows), path
    assert replayed > 0
    assert folder == "odd" or not refused
    assert all("not a capture" in text for text in refused)
    assert peak_rss_bytes() < 1 << 30


def test_a_composed_gateway_has_a_label_for_every_flow(shared: Path) -> None:
    path = shared / "captures" / "mixed" / "composed__home-gateway.pcap"
    labels = label_path(path)
    assert labels is not None
    result = replay_one(path, FlowLabels.read(labels), Settings(), Policy(Bundle.default()))
    labelled = [*result.tally.families.values(), *result.tally.benign.values()]
    assert sum(f.flows for f in labelled) + result.tally.unlabelled.flows == result.flows
    assert result.tally.unlabelled.flows < result.flows / 100


def test_memory_does_not_depend_on_the_length_of_a_capture(tmp_path: Path) -> None:
    capture = tmp_path / "long.pcap"
    make = [sys.executable, "-m", "tests.bench.mix", str(capture), "--packets", "400000"]
    subprocess.run(make, cwd=ROOT, check=True, capture_output=True)
    replay = [sys.executable, "-m", "agent.cli", "replay", str(capture), "--json"]
    done = subprocess.run(replay, cwd=ROOT, check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert report["packets"] == 400_000
    assert report["peak_rss_bytes"] < 150e6
