"""Alerts that labels make for: on what, when, and how they are written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agent.addresses import words
from agent.alerts import read_alerts
from agent.capture.packets import PacketBatch, Undecoded
from agent.labels import Label
from tests.training.gateway.corpora import SAMPLES, sample
from tests.training.gateway.talk import ATTACKER, OTHER, VICTIM, Sent, attack
from training.gateway.corpus import Capture
from training.gateway.ids import Raised, Which, counted_at, raised, write_log
from training.gateway.labelling import labels_of

NS = 1_000_000_000
REQUEST = Sent(1000.1, flags="S")
EXCHANGE = (
    REQUEST,
    REQUEST.back(1000.2, flags="SA"),
    Sent(1000.3, flags="A"),
    Sent(1000.4, 10, flags="PA"),
    REQUEST.back(1000.5, 500, "PA"),
    Sent(1000.6, 20, flags="PA"),
    REQUEST.back(1000.7, flags="A"),
)


def alerts(
    folder: Path, capture: Capture, which: Which = "pair", payloads: int = 1
) -> list[Raised]:
    labels = labels_of(capture, folder)
    return raised(folder / capture.path, labels, which=which, payloads=payloads)


@pytest.mark.parametrize(("payloads", "at"), [(1, 1000.4), (2, 1000.6), (3, 1000.7)])
def test_an_alert_is_raised_at_what_the_initiator_says(
    tmp_path: Path, payloads: int, at: float
) -> None:
    (found,) = alerts(tmp_path, attack(tmp_path, "a.pcap", *EXCHANGE), payloads=payloads)
    assert found.time_ns == round(at * NS)
    assert found.until_ns == round(1000.7 * NS)


def test_of_a_flow_without_payload_the_last_packet_alerts(tmp_path: Path) -> None:
    silent = (REQUEST, REQUEST.back(1000.2, 500, "PA"), Sent(1000.3, flags="R"))
    (found,) = alerts(tmp_path, attack(tmp_path, "a.pcap", *silent))
    assert found.time_ns == round(1000.3 * NS)


def test_payload_of_an_earlier_flow_on_the_same_ports_does_not_count(tmp_path: Path) -> None:
    earlier, later = Sent(1000, 10), Sent(2000)  # more than 120 s apart: two flows
    found = alerts(tmp_path, attack(tmp_path, "a.pcap", earlier, later, Sent(2001, 10)), "flow")
    assert [alert.time_ns // NS for alert in found] == [1000, 2001]


def test_pairs_alert_once_and_flows_each(tmp_path: Path) -> None:
    capture = attack(
        tmp_path, "a.pcap",
        Sent(1000, 10), Sent(1001, 10, sport=40001),
        Sent(1002, 10, src=VICTIM, dst=ATTACKER, dport=4444),  # of the same pair
        Sent(1003, 10, src=VICTIM, dst=OTHER),
        Sent(1004, 10, src=VICTIM, dst=OTHER, dport=53),  # spared
    )  # fmt: skip
    assert [a.time_ns // NS for a in alerts(tmp_path, capture)] == [1000, 1003]
    each = alerts(tmp_path, capture, "flow")
    assert [a.time_ns // NS for a in each] == [1000, 1001, 1002, 1003]
    assert [a.until_ns // NS for a in each] == [1002, 1002, 1002, 1003]


def test_a_capture_without_malicious_flows_has_no_alerts(tmp_path: Path) -> None:
    capture = attack(tmp_path, "a.pcap", *EXCHANGE).model_copy(update={"label": "benign"})
    assert alerts(tmp_path, capture) == []


def test_alerts_of_a_sample_are_on_its_malicious_flows() -> None:
    found = alerts(SAMPLES, sample("home"), "flow")
    assert {a.family for a in found} == {"port scan", "c2 beacon", "slow exfiltration"}
    assert [a.time_ns for a in found] == sorted(a.time_ns for a in found)
    pairs = alerts(SAMPLES, sample("home"))
    assert len({a.pair for a in found}) == len({a.pair for a in pairs}) == len(pairs)


# The log.


def test_the_agent_reads_the_log(tmp_path: Path) -> None:
    (told,) = alerts(tmp_path, attack(tmp_path, "a.pcap", *EXCHANGE))
    log = read_alerts(write_log(tmp_path / "eve.json", [told], severity=2))
    (found,) = log.between(0, 1 << 62)
    assert (found.initiator, found.responder) == (words(ATTACKER), words(VICTIM))
    assert found.time_ns == round(1000.4 * NS)
    assert found.severity == 2
    assert 1_000_000 <= found.signature < 2_000_000


def test_families_have_signatures_of_their_own(tmp_path: Path) -> None:
    (told,) = alerts(tmp_path, attack(tmp_path, "a.pcap", *EXCHANGE))
    (other,) = alerts(tmp_path, attack(tmp_path, "a.pcap", *EXCHANGE, family="malware"))
    path = write_log(tmp_path / "eve.json", [told, told, other])
    assert len({a.signature for a in read_alerts(path).between(0, 1 << 62)}) == 2


def test_the_log_holds_what_suricata_writes_and_labels_the_flow(tmp_path: Path) -> None:
    capture = attack(tmp_path, "a.pcap", *EXCHANGE, family="web attack")
    path = write_log(tmp_path / "eve.json", alerts(tmp_path, capture))
    event = json.loads(path.read_text())
    assert event["timestamp"] == "1970-01-01T00:16:40.400000+0000"
    assert event["flow"]["start"] == "1970-01-01T00:16:40.100000+0000"
    ends = (event["src_ip"], event["src_port"], event["dest_ip"], event["dest_port"])
    assert ends == (ATTACKER, 40000, VICTIM, 80)
    assert event["proto"] == "TCP"
    told = {"label": "per flow", "labels": "eve.json", "family": "", "spares": ()}
    labels = labels_of(capture.model_copy(update=told), tmp_path)
    flow = (words(ATTACKER), 40000, words(VICTIM), 80, 6, round(1000.1 * NS))
    assert labels.match(*flow) == Label(malicious=True, family="web attack")


# Time.


def test_time_stands_still_where_it_runs_backwards_or_nothing_was_decoded() -> None:
    batch = PacketBatch.allocate(5)
    batch.n = 5
    batch.ts[:] = [50, 100, 90, 999, 120]
    batch.status[3] = Undecoded.ARP
    assert counted_at(batch, 70).tolist() == [70, 100, 100, 100, 120]
    batch.status[:] = Undecoded.ARP
    assert np.array_equal(counted_at(batch, 70), [70] * 5)
