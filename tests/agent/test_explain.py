"""What `sluice explain` says of a flow, and of a key that names none."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.bundle import Bundle
from agent.config import Settings
from agent.decision import Verdict
from agent.errors import ConfigError, FlowNotFound
from agent.explain import explain_flow, influences
from agent.flow_key import FlowKey, vlan_text
from agent.observation import NAMES
from agent.policy import Policy
from tests.agent.command import sluice
from tests.agent.toy_policy import BASELINE, write_toy

KEYS = (
    "192.168.1.40:51234-198.51.100.7:443/tcp",
    "[2001:db8::4]:5353-[2001:db8::1]:53/udp",
    "192.168.1.40-192.168.1.1/icmp",
    "[fe80::1]-[ff02::16]/icmpv6",
    "10.0.0.1-10.0.0.2/ip-253",
)


def toy(path: Path, weights: dict[tuple[str, str], float], **bias: float) -> Policy:
    bundle = write_toy(path, weights, bias)
    return Policy(Bundle.load(bundle, (bundle.with_suffix(".pub").read_bytes(),)))


@pytest.fixture(scope="module")
def guess(samples: Path) -> FlowKey:
    """The first guess at an SSH password in office.pcap."""
    with (samples / "office.labels.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["family"] == "ssh brute force")
    return FlowKey.parse(f"{row['src']}:{row['sport']}-{row['dst']}:{row['dport']}/tcp")


@pytest.mark.parametrize("key", KEYS)
def test_a_key_reads_what_it_writes(key: str) -> None:
    assert str(FlowKey.parse(key)) == key
    assert FlowKey.parse(key).reverse().reverse() == FlowKey.parse(key)


@pytest.mark.parametrize(
    "key",
    ["", "x", "1.2.3.4-5.6.7.8", "1.2.3.4-5.6.7.8/tcp", "1.2.3.4:1-5.6.7.8:70000/tcp",
     "1.2.3.400:1-5.6.7.8:2/tcp", "1.2.3.4:1-5.6.7.8:2/tpc", "::1:4-::2:5/udp"],
)  # fmt: skip
def test_a_malformed_key_is_answered_with_an_example(key: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(KEYS[0])):
        FlowKey.parse(key)


def test_vlan_tags_are_told_outer_first() -> None:
    assert [vlan_text(v) for v in (0, 10, 100 << 12 | 10)] == ["", "10", "100.10"]


def test_occlusion_equals_the_effect_by_hand(tmp_path: Path) -> None:
    weights = {("tcp", "block"): 2.0, ("duration", "block"): -3.0, ("tcp", "allow"): 0.5}
    policy = toy(tmp_path / "toy.sluice", weights, block=4)
    observation = np.full(len(NAMES), 0.75, np.float32)
    found = influences(policy, observation, Verdict.BLOCK, Verdict.ALLOW)
    step = 0.75 - BASELINE[0]
    assert [(i.name, i.effect) for i in found] == [
        ("duration", pytest.approx(-3.0 * step)),
        ("tcp", pytest.approx((2.0 - 0.5) * step)),
    ]
    assert (found[1].value, found[1].baseline) == (0.75, 0.25)


def test_an_allowed_flow_is_weighed_against_the_runner_up(
    samples: Path, tmp_path: Path, guess: FlowKey
) -> None:
    policy = toy(tmp_path / "toy.sluice", {("tcp", "allow"): 1.0}, allow=5, isolate=1)
    flow = explain_flow(samples / "office.pcap", str(guess), Settings(), policy).flows[0]
    for step in flow.steps:
        assert (step.proposed, step.against) == (Verdict.ALLOW, Verdict.ISOLATE)
        assert [(i.name, i.effect) for i in step.influences] == [("tcp", pytest.approx(0.75))]


def test_the_steps_of_a_flow_are_its_decision_points(
    samples: Path, tmp_path: Path, guess: FlowKey
) -> None:
    policy = toy(tmp_path / "toy.sluice", {}, allow=5)
    flow = explain_flow(samples / "office.pcap", str(guess), Settings(), policy).flows[0]
    assert flow.key == guess
    assert [step.packets for step in flow.steps][:4] == [1, 2, 4, 8]
    assert flow.packets == flow.passed_packets >= flow.steps[-1].packets
    assert flow.first_ns == flow.steps[0].time_ns
    assert flow.worst == Verdict.ALLOW


def test_a_key_finds_its_flow_either_way_round(
    samples: Path, tmp_path: Path, guess: FlowKey
) -> None:
    policy = toy(tmp_path / "toy.sluice", {}, allow=5)
    there, back = (
        explain_flow(samples / "office.pcap", str(key), Settings(), policy).as_json()["flows"]
        for key in (guess, guess.reverse())
    )
    assert there == back


def test_a_flow_stopped_from_its_first_packet_is_told(samples: Path, tmp_path: Path) -> None:
    policy = toy(tmp_path / "toy.sluice", {}, isolate=9)
    scan = list(csv.DictReader((samples / "home.labels.csv").read_text().splitlines()))[-1]
    key = f"{scan['src']}:{scan['sport']}-{scan['dst']}:{scan['dport']}/tcp"
    flow = explain_flow(samples / "home.pcap", key, Settings(), policy).flows[-1]
    assert (flow.steps, flow.passed_packets, flow.worst) == ([], 0, Verdict.ISOLATE)
    assert flow.as_json()["stopped_at"] == 0


def test_an_unknown_flow_is_answered_with_the_nearest(
    samples: Path, tmp_path: Path, guess: FlowKey
) -> None:
    policy, office = toy(tmp_path / "toy.sluice", {}, allow=5), samples / "office.pcap"
    with pytest.raises(FlowNotFound, match=re.escape(f"nearest are {guess}")):
        explain_flow(office, str(replace(guess, sport=1)), Settings(), policy)
    with pytest.raises(FlowNotFound, match="neither of its hosts"):
        explain_flow(office, "8.8.8.8:1-9.9.9.9:2/tcp", Settings(), policy)


def test_the_command_explains_in_words_and_in_json(
    samples: Path, tmp_path: Path, guess: FlowKey
) -> None:
    weights = {("service_login", "block"): 4.0, ("answered", "block"): 2.0, ("tcp", "allow"): 1.0}
    bundle = write_toy(tmp_path / "toy.sluice", weights, {"allow": 3.5})
    arguments = ("explain", samples / "office.pcap", "--flow", guess, "--policy", bundle)
    text = sluice(*arguments).stdout
    for part in ("VLAN 10", "remote login", "service_login", "proposes", "new rule: block"):
        assert part in text
    steps = json.loads(sluice(*arguments, "--json").stdout)["flows"][0]["steps"]
    assert [step["proposed"] for step in steps[:2]] == ["allow", "block"]
    assert sum(steps[1]["probabilities"].values()) == pytest.approx(1)
    names = [influence["name"] for influence in steps[1]["influences"]]
    assert names == ["service_login", "answered", "tcp"]


def test_the_command_names_a_bad_key(samples: Path) -> None:
    done = sluice("explain", samples / "home.pcap", "--flow", "nonsense", code=1)
    assert done.stderr.startswith("error: 'nonsense' is no flow")
