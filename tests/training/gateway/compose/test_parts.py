"""Captures are cut where nothing is torn that the agent tells of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from agent.capture.link_types import Link
from agent.errors import NotACapture
from agent.labels import FlowLabels
from tests.training.gateway.compose.captures import (
    capture,
    hosts_of,
    parts_of,
    syn,
    talk,
    udp,
    write,
)
from training.gateway.compose.packets import read_packets
from training.gateway.compose.parts import MOST_FLOWS, MOST_PACKETS, Kind, Part, cut

_SAMPLES = ("home", "office", "page", "beacon")


def seconds(part: Part) -> list[float]:
    return [round(t / 1e9, 6) for t in part.times.tolist()]


@pytest.mark.parametrize("name", _SAMPLES)
def test_every_packet_with_a_label_is_in_one_part(samples: Path, name: str) -> None:
    path = samples / f"{name}.pcap"
    labels = FlowLabels.read(samples / f"{name}.labels.csv")
    one = capture(path.name, "per flow", labels=f"{name}.labels.csv")
    parts = cut(one, samples, labels, 30)
    assert sum(len(part.times) for part in parts) == len(read_packets(path).ts)
    assert all(flow.label for part in parts for flow in part.flows)


def test_a_host_is_in_one_part_with_all_its_peers(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.pcap",
        [
            *talk("192.168.1.2", "9.9.9.9", 0),
            *talk("192.168.1.2", "8.8.8.8", 1),
            *talk("192.168.1.3", "8.8.8.8", 2),
            *talk("192.168.1.4", "7.7.7.7", 3),
        ],
    )
    [part] = parts_of(path)  # small ones of one kind share a part
    assert len(part.flows) == 4
    evil = FlowLabels.whole_capture(True, "c2")

    class Labels:
        def match(self, src: object, sport: int, dst: tuple[int, int], *rest: int) -> object:
            labels = (
                evil if dst[1] & 0xFF == 7 or src == dst else FlowLabels.whole_capture(False, "web")
            )
            return labels.match((0, 0), 0, (0, 0), 0, 0, 0)

    parts = cut(capture(path.name, "per flow", labels="x"), tmp_path, Labels(), 10)  # type: ignore[arg-type]
    assert [sorted(hosts_of(part)) for part in parts] == [
        ["192.168.1.2", "192.168.1.3", "8.8.8.8", "9.9.9.9"],
        ["192.168.1.4", "7.7.7.7"],
    ]
    assert [part.family for part in parts] == [None, "c2"]


def test_a_scan_is_cut_into_scans(tmp_path: Path) -> None:
    scan = [(i * 0.001, syn("203.0.114.9", "192.168.1.2", 40000, 1 + i)) for i in range(1000)]
    parts = parts_of(write(tmp_path / "a.pcap", scan))
    assert [len(part.flows) for part in parts] == [MOST_FLOWS, MOST_FLOWS, 1000 - 2 * MOST_FLOWS]
    assert seconds(parts[1])[:2] == [0, 0.001]


def test_a_part_has_not_many_packets(tmp_path: Path) -> None:
    packets = [bytes(udp("192.168.1.2", "9.9.9.9", 40000 + number)) for number in range(3)]
    talks = [(at / 10, packet) for packet in packets for at in range(2000)]
    path = write(tmp_path / "a.pcap", sorted(talks, key=lambda each: each[0]))
    assert [len(part.times) for part in parts_of(path)] == [MOST_PACKETS, 2000]


def test_a_silence_that_is_nobodys_is_cut_to_two_minutes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.pcap", [(0, udp("10.0.0.1", "9.9.9.9")), (1e5, udp("10.0.0.2", "8.8.8.8"))]
    )
    [part] = parts_of(path)
    assert seconds(part) == [0, 120]
    assert part.idle.tolist() == [1]


def test_the_rhythm_of_a_beacon_is_kept(tmp_path: Path) -> None:
    beacon = [(at, udp("10.0.0.1", "9.9.9.9", 40000 + at)) for at in (0, 240, 480)]
    [part] = parts_of(write(tmp_path / "a.pcap", beacon))
    assert seconds(part) == [0, 240, 480]
    assert not len(part.idle)


def test_an_absence_begins_another_part(tmp_path: Path) -> None:
    back = [(at, udp("10.0.0.1", "9.9.9.9")) for at in (0, 1, 700, 703)]
    parts = parts_of(write(tmp_path / "a.pcap", back), minutes=60)
    assert [seconds(part) for part in parts] == [[0, 1], [0, 3]]


def test_what_lasts_too_long_goes_on_in_another_part(tmp_path: Path) -> None:
    calls = [(at, udp("10.0.0.1", "9.9.9.9", 40000)) for at in range(0, 100, 10)]
    calls += [(at + 1, udp("10.0.0.1", "9.9.9.9", 41000 + at)) for at in range(0, 100, 10)]
    path = write(tmp_path / "a.pcap", sorted(calls, key=lambda call: call[0]))
    parts = parts_of(path, minutes=1)
    assert [part.duration_ns <= 60e9 for part in parts] == [True, True]
    # The long flow is in the first only, as if the capture had ended; no other is lost.
    assert [len(part.flows) for part in parts] == [1 + 6, 4]


def test_a_host_that_talks_to_itself_gets_a_twin(tmp_path: Path) -> None:
    ask = IP(src="127.0.0.1", dst="127.0.0.1") / UDP(sport=40000, dport=53) / Raw(b"ask")
    answer = IP(src="127.0.0.1", dst="127.0.0.1") / UDP(sport=53, dport=40000) / Raw(b"answer")
    path = write(tmp_path / "a.pcap", [(0, ask), (1, answer)], link=Link.RAW)
    [part] = parts_of(path)
    assert part.src.tolist() == part.dst.tolist()[::-1]
    [flow] = part.flows
    assert (flow.src, flow.sport, flow.dport) == (part.src[0], 40000, 53)
    assert part.kinds.tolist() == [Kind.PRIVATE, Kind.PRIVATE]


def test_what_packets_were_carried_in_is_taken_off(tmp_path: Path) -> None:
    inner = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5, dport=6) / Raw(bytes(200))
    outer = Ether() / Dot1Q(vlan=5) / IP(src="1.1.1.1", dst="2.2.2.2") / UDP(dport=4789)
    packets = [(0, outer / VXLAN(vni=1, flags="Instance") / inner), (1, Ether() / ARP())]
    found = read_packets(write(tmp_path / "a.pcap", packets))
    assert found.left_out == 1
    assert found.columns.length.tolist() == [len(inner)]
    assert found.bytes[0].tobytes() == bytes(inner)[14:96]


def test_packets_are_put_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pcap", [(at, udp("10.0.0.1", "9.9.9.9")) for at in (5, 1, 3)])
    assert seconds(parts_of(path)[0]) == [0, 2, 4]


def test_kinds_of_addresses(tmp_path: Path) -> None:
    of = {
        "0.0.0.0": Kind.GROUP,
        "10.0.0.1": Kind.PRIVATE,
        "10.0.0.255": Kind.BROADCAST,
        "10.0.1.255": Kind.PRIVATE,  # a second subnet's would be the same address
        "169.254.3.4": Kind.LINK_LOCAL,
        "224.0.0.251": Kind.GROUP,
        "255.255.255.255": Kind.GROUP,
        "9.9.9.9": Kind.PUBLIC,
        "10.0.0.9": Kind.PRIVATE,
    }
    path = write(
        tmp_path / "a.pcap",
        [(i, udp("10.0.0.9", dst)) for i, dst in enumerate(of) if dst != "10.0.0.9"],
    )
    [part] = parts_of(path)
    assert {host: Kind(kind) for host, kind in zip(hosts_of(part), part.kinds, strict=True)} == of


def test_a_capture_without_ip_has_no_parts(tmp_path: Path) -> None:
    assert parts_of(write(tmp_path / "a.pcap", [(0, Ether() / ARP())])) == []


def test_parts_without_a_label_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pcap", talk("10.0.0.1", "9.9.9.9", 0))
    assert parts_of(path, labels=FlowLabels([])) == []


def test_a_file_that_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_text(json.dumps({}) * 20)
    with pytest.raises(NotACapture, match=r"a\.pcap"):
        parts_of(path)


def test_flows_of_a_part_are_the_agents(tmp_path: Path) -> None:
    """The same ports again after FINs are another flow, though the same conversation."""
    path = write(
        tmp_path / "a.pcap", [*talk("10.0.0.1", "9.9.9.9", 0), *talk("10.0.0.1", "9.9.9.9", 5)]
    )
    [part] = parts_of(path)
    assert [flow.start_ns for flow in part.flows] == [0, 5_000_000_000]
    assert np.all(np.diff(part.times) >= 0)
