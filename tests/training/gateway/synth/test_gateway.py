"""An imagined gateway is always the same, always another, wholly labelled and sound."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest

from agent.config import Settings
from agent.labels import FlowLabels
from agent.replay import replay_one
from tests.agent.flows.golden import Onlooker
from tests.training.gateway.synth.conftest import MINUTES, SEEDS
from tests.training.gateway.synth.seen import flows, packets
from training.gateway.synth.gateway import synthesise
from training.gateway.synth.site import imagine
from training.gateway.synth.wire import FAMILIES, Wire


def families(wires: list[Wire], label: str, folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for wire in wires:
        wire.save(folder, "wire")
        rows = (folder / "wire.labels.csv").read_text().splitlines()[1:]
        found.update(row.split(",")[-1] for row in rows if row.split(",")[-2] == label)
    return found


def saved(wire: Wire, folder: Path, name: str) -> tuple[bytes, bytes]:
    wire.save(folder, name)
    return (folder / f"{name}.pcap").read_bytes(), (folder / f"{name}.labels.csv").read_bytes()


def test_a_seed_gives_the_same_bytes_and_another_seed_others(
    tmp_path: Path, wires: list[Wire]
) -> None:
    first, again = wires[3], synthesise(SEEDS[3], MINUTES)
    assert saved(first, tmp_path, "a") == saved(again, tmp_path, "b")
    captures = {saved(wire, tmp_path, "c") for wire in wires}
    assert len(captures) == len(SEEDS)


def test_gateways_differ(wires: list[Wire]) -> None:
    assert len({wire.epoch for wire in wires}) == len(SEEDS)
    assert max(map(len, wires)) > 2 * min(map(len, wires))


def test_a_site_has_3_to_40_machines_at_addresses_of_their_own() -> None:
    sites = [imagine(Wire(seed, 0, end=60)) for seed in range(100)]
    counts = [len(site.machines) for site in sites]
    assert (min(counts), max(counts)) == pytest.approx((3, 40), abs=2)
    assert 3 <= min(counts) <= max(counts) <= 40
    for site, count in zip(sites, counts, strict=True):
        assert len({each.host.ip for each in site.machines} - {site.gateway.ip}) == count
        assert all(ip_address(each.host.ip).is_private for each in site.machines)
    assert {site.kind for site in sites} == {"home", "office", "things"}


def test_every_family_occurs(wires: list[Wire], tmp_path: Path) -> None:
    malicious = families(wires, "malicious", tmp_path)
    assert set(malicious) == set(FAMILIES)
    assert max(malicious.values()) < 0.5 * sum(malicious.values()), "no family drowns the others"
    benign = families(wires, "benign", tmp_path)
    assert {"web", "dns", "video", "iot", "backup", "p2p"} < set(benign)
    assert not set(benign) & set(FAMILIES)
    assert any(not families([wire], "malicious", tmp_path) for wire in wires)


@pytest.mark.parametrize("index", range(6))
def test_every_flow_that_the_agent_follows_has_a_label(
    index: int, wires: list[Wire], tmp_path: Path
) -> None:
    wires[index].save(tmp_path, "seen")
    labels = FlowLabels.read(tmp_path / "seen.labels.csv")
    result = replay_one(tmp_path / "seen.pcap", labels, Settings(), Onlooker())
    assert result.tally.unlabelled.flows == 0
    assert result.damage is None
    assert set(result.undecoded) <= {"arp"}
    groups = (result.tally.families, result.tally.benign)
    assert sum(family.flows for group in groups for family in group.values()) == result.flows


@pytest.mark.parametrize("index", range(6))
def test_segments_are_repeated_only_where_they_were_meant_to_be(
    index: int, wires: list[Wire], tmp_path: Path
) -> None:
    wire = wires[index]
    seen = flows(wire, tmp_path)["retransmissions"].sum()
    # What was first sent before the capture began is no repetition to who only sees the capture.
    assert wire.repeats - 3 <= seen <= wire.repeats


def test_handshakes_are_sound(wires: list[Wire], tmp_path: Path) -> None:
    found = np.concatenate([flows(wire, tmp_path) for wire in wires[:4]])
    complete = found[(found["established"] == 1) & (found["syns"] > 0)]
    assert len(complete) > 20
    assert (complete["rtt_ns"] > 0).all()
    assert (complete["window_fwd"] > 0).all()
    assert (complete["window_bwd"] > 0).all()


def test_all_is_seen_within_the_minutes(wires: list[Wire], tmp_path: Path) -> None:
    for wire in wires[:4]:
        times = [seen.at / 1e9 - wire.epoch for seen in packets(wire, tmp_path)]
        assert times == sorted(times)
        assert 0 <= times[0] < 20
        assert MINUTES * 60 - 20 < times[-1] <= MINUTES * 60


def test_ten_minutes_are_a_few_thousand_packets() -> None:
    assert 2_500 < len(synthesise(5, 10)) < 16_000
