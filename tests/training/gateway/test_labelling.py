"""Whole-capture labels, Zeek's logs, Suricata's events, and the names of families."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import LabelError
from agent.labels import Label, Labels
from tests.training.gateway.wire import Talk, family_at, label_at
from training.gateway.corpus import Capture
from training.gateway.labelling import labels_of
from training.gateway.labels.families import FAMILIES, KINDS, family_of

SCAN = Talk(1545403816.9, "192.168.1.195", 41040, "185.244.25.235", 80)
OTHER = Talk(1545403900.0, "192.168.1.195", 5353, "192.168.1.1", 53, 17)
PING = Talk(1545403950.0, "192.168.1.195", 0, "192.168.1.1", 0, 1)


def capture(**changes: Any) -> Capture:
    fields = {"path": "a.pcap", "sha256": "0" * 64, "label": "per flow", "labels": "labels"}
    return Capture.model_validate({**fields, "source": "ours", **changes})


def labels(folder: Path, text: str, **changes: Any) -> Labels:
    (folder / "labels").write_text(text, encoding="utf-8")
    return labels_of(capture(**changes), folder)


# Whole captures


def test_all_flows_of_a_capture_have_its_label(tmp_path: Path) -> None:
    benign = labels_of(capture(label="benign", labels=None, family="web"), tmp_path)
    assert label_at(benign, SCAN) == Label(malicious=False, family="web")
    malicious = labels_of(capture(label="malicious", labels=None, family="PortScan"), tmp_path)
    assert label_at(malicious, OTHER) == Label(malicious=True, family="scan")


@pytest.mark.parametrize(
    ("talk", "family"),
    [
        (Talk(1, dport=53, proto=17), None),
        (Talk(1, dport=53, proto=6), None),
        (Talk(1, dport=123, proto=17), None),
        (Talk(1, dport=80), "c2"),
        (Talk(1, sport=53, dport=40000, proto=17), "c2"),  # the responder's port counts
        (Talk(1, dport=53, proto=132), "c2"),  # services are those of TCP and UDP
        (Talk(1, sport=0, dport=0, proto=1), "c2"),
    ],
)
def test_flows_to_spared_services_are_unlabelled(
    tmp_path: Path, talk: Talk, family: str | None
) -> None:
    spares = {"spares": ("name", "infra")}
    found = labels_of(capture(label="malicious", labels=None, family="c2", **spares), tmp_path)
    assert family_at(found, talk) == family


# Our own files


def test_families_of_our_own_files_come_to_our_names(tmp_path: Path) -> None:
    rows = [
        "start_ts,src,sport,dst,dport,proto,label,family",
        "100,192.168.1.20,50000,198.51.100.7,443,6,malicious,scan: nmap",
        "100,192.168.1.20,50001,198.51.100.7,443,6,malicious,",
        "100,192.168.1.20,50002,198.51.100.7,443,6,benign,Modbus SCADA",
    ]
    found = labels(tmp_path, "\n".join(rows), family="worm")
    assert label_at(found, Talk(100)) == Label(malicious=True, family="scan")
    assert label_at(found, Talk(100, sport=50001)) == Label(malicious=True, family="worm")
    assert label_at(found, Talk(100, sport=50002)) == Label(malicious=False, family="industrial")
    assert label_at(found, Talk(100, sport=50003)) is None


# Zeek

FIELDS = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto")
ZEEK_ROWS = [
    (*map(str, SCAN[:1]), "C1", *map(str, SCAN[1:5]), "tcp", "Malicious", "C&C-HeartBeat"),
    ("1545403900.0", "C2", *map(str, OTHER[1:5]), "udp", "Benign", "-"),
    ("1545403950.0", "C3", "192.168.1.195", "8", "192.168.1.1", "0", "icmp", "benign", "-"),
    ("1545403960.0", "C4", "192.168.1.7", "1", "192.168.1.1", "2", "tcp", "Background", "-"),
    ("1545403970.0", "C5", "192.168.1.8", "1", "192.168.1.1", "2", "tcp", "Malicious", "-"),
    ("1545403980.0", "C6", "::1", "0", "::2", "0", "unknown_transport", "Benign", "-"),
]


def zeek_columns(gap: str) -> str:
    header = "#fields\t" + "\t".join(
        (*FIELDS, gap.join(("tunnel_parents", "label", "detailed-label")))
    )
    lines = ["#separator \\x09", "#path\tconn", header, "#types\ttime\tstring"]
    for row in ZEEK_ROWS:
        lines.append("\t".join((*row[:7], gap.join(("(empty)", *row[7:])))))
    return "\n".join([*lines, "#close\t2019-03-15-14-50-54"]) + "\n"


def zeek_json() -> str:
    rows = []
    for row in ZEEK_ROWS:
        fields: dict[str, Any] = dict(zip((*FIELDS, "label", "detailed-label"), row, strict=True))
        fields |= {"ts": float(row[0]), "id.orig_p": int(row[3]), "id.resp_p": int(row[5])}
        rows.append(json.dumps(fields))
    return "\n".join(rows)


@pytest.mark.parametrize("text", [zeek_columns("\t"), zeek_columns("   "), zeek_json()])
def test_labels_of_zeeks_logs(tmp_path: Path, text: str) -> None:
    found = labels(tmp_path, text)
    assert family_at(found, SCAN) == "c2"
    assert family_at(found, OTHER) == "benign"
    assert family_at(found, PING) == "benign"  # Zeek has its type and code for ports
    assert family_at(found, Talk(1545403960.0, "192.168.1.7", 1, "192.168.1.1", 2)) is None
    assert family_at(found, Talk(1545403970.0, "192.168.1.8", 1, "192.168.1.1", 2)) == "malware"
    assert family_at(found, SCAN._replace(sport=41041)) is None


def test_the_manifests_family_is_for_flows_without_a_detailed_label(tmp_path: Path) -> None:
    found = labels(tmp_path, zeek_columns("\t"), family="worm")
    assert family_at(found, SCAN) == "c2"
    assert family_at(found, Talk(1545403970.0, "192.168.1.8", 1, "192.168.1.1", 2)) == "worm"


# Suricata


def event(talk: Talk, kind: str = "alert", category: str = "", **more: Any) -> str:
    start = f"2018-12-21T14:{round(talk.at) // 60:02}:{round(talk.at) % 60:02}.500000+0000"
    fields: dict[str, Any] = {
        "timestamp": "2018-12-21T16:59:59.000000+0100", "flow_id": str(talk), "event_type": kind,
        "src_ip": talk.src, "src_port": talk.sport, "dest_ip": talk.dst, "dest_port": talk.dport,
        "proto": {6: "TCP", 17: "UDP"}[talk.proto], "flow": {"start": start},
    }  # fmt: skip
    if kind == "alert":
        fields["alert"] = {"category": category, "severity": 2, **more}
    return json.dumps(fields)


AT = 1545400800.0  # 2018-12-21 14:00 UTC
ONE, TWO = Talk(10), Talk(10, src="192.168.1.21")


def at(talk: Talk) -> Talk:
    return talk._replace(at=AT + talk.at + 0.5)


def test_an_alert_makes_a_flow_malicious_and_its_hosts_suspect(tmp_path: Path) -> None:
    found = labels(tmp_path, event(ONE, category="Detection of a Network Scan"))
    assert family_at(found, at(ONE)) == "scan"
    assert family_at(found, at(ONE._replace(dport=22))) is None  # of the scanner
    assert family_at(found, at(TWO)) is None  # to what was scanned
    assert family_at(found, at(TWO._replace(dst="198.51.100.8"))) == "benign"


@pytest.mark.parametrize("category", ["Generic Protocol Command Decode", "Misc activity"])
def test_a_doubtful_alert_says_nothing(tmp_path: Path, category: str) -> None:
    found = labels(tmp_path, event(ONE, category=category))
    assert family_at(found, at(ONE)) is None
    assert family_at(found, at(TWO)) == "benign"


def test_the_gravest_alert_of_a_flow_counts(tmp_path: Path) -> None:
    lines = [
        event(ONE, category="Misc activity", severity=1),
        event(ONE, category="Web Application Attack", severity=1),
        event(ONE, category="Detection of a Network Scan", severity=3),
        event(ONE, kind="flow"),
    ]
    for order in (lines, lines[::-1]):
        assert family_at(labels(tmp_path, "\n".join(order)), at(ONE)) == "web attack"


def test_the_manifest_and_the_tactic_go_before_the_category(tmp_path: Path) -> None:
    tactic = {"metadata": {"mitre_tactic_name": ["Persistence", "Command_And_Control"]}}
    line = event(ONE, category="A Network Trojan was detected", **tactic)
    assert family_at(labels(tmp_path, line), at(ONE)) == "c2"
    assert family_at(labels(tmp_path, line, family="cryptomining"), at(ONE)) == "cryptomining"
    assert (
        family_at(labels(tmp_path, event(ONE, category="My own rules")), at(ONE)) == "my own rules"
    )
    assert family_at(labels(tmp_path, event(ONE)), at(ONE)) == "malware"


def test_flow_events_tell_a_5_tuples_flows_apart(tmp_path: Path) -> None:
    later = ONE._replace(at=600)
    alert = event(ONE, category="Detection of a Network Scan")
    assert family_at(labels(tmp_path, alert), at(later)) == "scan"
    both = f"{event(later, kind='flow')}\n{alert}"
    assert family_at(labels(tmp_path, both), at(later)) is None
    assert family_at(labels(tmp_path, both), at(ONE)) == "scan"


# Refusals


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,c\n1,2,3\n", "no label file that we know"),
        ("", "no label file that we know"),
        ('{"answer": 42}\n', "no label file that we know"),
        ("#fields\tts\tlabel\n1\t2\t3\n", "line 2: 3 columns; #fields names 2"),
        ("#fields\tts\tuid\n1\t2\n", "line 2: no label"),
        (zeek_columns("\t").replace("Malicious", "Evil"), "line 5: label is 'Evil'"),
        (zeek_columns("\t").replace("1545403900.0", "noon"), "line 6: the time is 'noon'"),
        (zeek_columns("\t").replace("41040", "70000"), "line 5: a port is '70000'"),
        (event(ONE) + "\n{cut off", "line 2: no JSON"),
        (event(ONE) + "\n[]", "line 2: no JSON object"),
        ('{"event_type": "alert", "timestamp": "x"}', "line 1: no src_ip"),
        ('{"event_type": "alert", "timestamp": "x", "flow": 3}', "no event of Suricata"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(LabelError, match=r"labels[:,] ") as caught:
        labels(tmp_path, text)
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="labels: cannot be read"):
        labels_of(capture(), tmp_path)


# Families


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("PartOfAHorizontalPortScan", "scan"),
        ("C&C-HeartBeat-FileDownload", "c2"),
        ("Okiru", "malware"),
        ("DoS Hulk", "flood"),
        ("DDOS attack-LOIC-UDP", "flood"),
        ("SSH-Patator", "brute force"),
        ("Web Attack – XSS", "web attack"),
        ("Web Attack \x96 Sql Injection", "web attack"),
        ("Web Attack \ufffd Brute Force", "web attack"),
        ("Infilteration", "lateral movement"),
        ("Crypto Currency Mining Activity Detected", "cryptomining"),
        ("scan: nmap", "scan"),
        ("DoS: Slowloris", "flood"),
        ("tunnel/exfiltration: DNS", "exfiltration"),
        ("lateral movement (SMB/WMI/RPC)", "lateral movement"),
        ("exploit: EternalBlue family", "exploit"),
        ("IoT device setup", "iot"),
        (" Something New ", "something new"),
    ],
)
def test_names_come_to_our_families(text: str, family: str) -> None:
    assert family_of(text) == family


@given(st.one_of(st.text(), st.sampled_from((*FAMILIES, *KINDS))))
def test_a_family_is_its_own_family(text: str) -> None:
    assert family_of(family_of(text)) == family_of(text)
    assert text not in FAMILIES or family_of(text) == text
