"""The shipped policy in scenarios with names, by the real command: what is let be, what is not."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.bundle import Bundle
from agent.decision import Verdict
from agent.policy import Policy
from tests.agent.command import sluice
from training.gateway.aftermath import aftermath
from training.gateway.corpus import Corpus, manifest_path
from training.gateway.synth.scenario import SCENARIOS

_SEEDS = range(1, 5)


def _made(folder: Path, name: str, seed: int) -> Path:
    SCENARIOS[name](seed).save(folder, f"{name}-{seed}")
    return folder / f"{name}-{seed}.pcap"


@pytest.mark.parametrize("seed", _SEEDS)
@pytest.mark.parametrize(
    ("name", "family"), [("busy_backup", "backup"), ("video_call", "call")], ids=str
)
def test_a_busy_backup_and_a_video_call_are_left_alone(
    tmp_path: Path, name: str, family: str, seed: int
) -> None:
    report = json.loads(sluice("replay", _made(tmp_path, name, seed), "--json").stdout)
    assert report["benign_families"][family]["flows"] > 0
    for each in (report["benign_families"][family], report["benign"]):
        assert (each["stopped"], each["throttled"]) == (0, 0)


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_detected_surge_is_throttled_first_and_blocked_as_evidence_grows(
    tmp_path: Path, seed: int
) -> None:
    """Rule after rule of a detection system says a little against the channel."""
    capture = _made(tmp_path, "surge", seed)
    flow = _malicious(capture)
    log, config = tmp_path / "eve.json", tmp_path / "sluice.toml"
    log.write_text("".join(json.dumps(_alert(flow, second)) + "\n" for second in range(5, 290)))
    config.write_text("[alerts]\nweight = [3.0, 2.0, 1.0, 0.03]\n")
    key = f"{flow['src']}:{flow['sport']}-{flow['dst']}:{flow['dport']}/tcp"
    told = sluice("explain", capture, "--flow", key, "--alerts", log, "--config", config, "--json")
    (found,) = json.loads(told.stdout)["flows"]
    applied = [Verdict[step["applied"].upper()] for step in found["steps"]]
    acted = [verdict for verdict in applied if verdict]
    assert applied[0] == Verdict.ALLOW
    assert acted[0] == Verdict.THROTTLE
    assert acted[-1] == Verdict.BLOCK
    assert found["worst"] == "block"


def test_without_alerts_the_surge_passes(tmp_path: Path) -> None:
    """Known, and said in the model card: a single encrypted channel looks like an upload."""
    report = json.loads(sluice("replay", _made(tmp_path, "surge", 1), "--json").stdout)
    assert report["families"]["c2"]["stopped"] == 0


def test_what_follows_an_alert_is_stopped(shared: Path) -> None:
    """On the held-out captures of what no header shows, with an alert for each pair of hosts."""
    hidden = {"exploit", "malware", "web attack", "c2", "lateral movement"}
    held_out = Corpus.load(manifest_path(Path("public"))).of("held-out")
    captures = [each for each in held_out if each.family in hidden]
    _, whole = aftermath(captures, shared / "captures", Policy(Bundle.default()))
    assert whole.heard.flows > 100
    assert whole.heard.bytes_stopped > 0.9


def _malicious(capture: Path) -> dict[str, str]:
    with capture.with_suffix("").with_suffix(".labels.csv").open(newline="") as file:
        (flow,) = (row for row in csv.DictReader(file) if row["label"] == "malicious")
    return flow


def _alert(flow: dict[str, str], second: int) -> dict[str, Any]:
    """An alert of the least severity, each of another rule, so long after the capture began."""
    moment = datetime.fromtimestamp(int(float(flow["start_ts"])) + second, UTC)
    ends = {
        "src_ip": flow["src"],
        "src_port": int(flow["sport"]),
        "dest_ip": flow["dst"],
        "dest_port": int(flow["dport"]),
    }
    return {
        "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.%f+0000"),
        "event_type": "alert",
        "proto": "TCP",
        "direction": "to_server",
        "alert": {"signature_id": second, "severity": 4, "signature": "slightly odd"},
        **ends,
    }
