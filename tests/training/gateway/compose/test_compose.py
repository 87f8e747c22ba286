"""A composed gateway: nothing of its parts is lost or changed but addresses and the time of day."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.utils import RawPcapReader

from agent.addresses import text
from agent.bundle import Bundle
from agent.capture.files import open_capture
from agent.config import Settings
from agent.flow_key import FlowKey
from agent.labels import FlowLabels
from agent.policy import Policy
from agent.replay import replay_one
from tests.training.gateway.compose.captures import (
    addresses_of,
    capture,
    hosts_of,
    parts_of,
    regular,
    seen,
    syn,
    talk,
    udp,
    write,
)
from training.errors import CorpusError
from training.gateway.compose.compose import compose
from training.gateway.compose.composition import Composition
from training.gateway.compose.parts import Kind, Part, cut
from training.gateway.compose.placement import ipv4_checksums
from training.gateway.compose.stock import Stock

_SAMPLES = ("home", "office", "page", "beacon", "scan")
_SEEDS = range(4)
_MINUTES = 20
_EVIL = FlowLabels.whole_capture(True, "scan")


@pytest.fixture(scope="module")
def parts(samples: Path) -> list[Part]:
    """Of the project's own captures."""
    found = []
    for name in _SAMPLES:
        labels = samples / f"{name}.labels.csv"
        path, rows = f"{name}.pcap", FlowLabels.read(labels)
        one = capture(path, "per flow", source=name, labels=labels.name)
        found += cut(one, samples, rows, _MINUTES)
    return found


@pytest.fixture(scope="module", params=_SEEDS)
def composed(
    request: pytest.FixtureRequest, parts: list[Part], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Composition, Path]:
    composition = compose(parts, request.param, _MINUTES)
    folder = tmp_path_factory.mktemp("composed")
    composition.save(folder, "gateway")
    return composition, folder / "gateway.pcap"


def key_of(part: Part, flow: object) -> FlowKey:
    ends = [(int(hi), int(lo)) for hi, lo in part.hosts.tolist()]
    return FlowKey(ends[flow.src], flow.sport, ends[flow.dst], flow.dport, flow.proto)  # type: ignore[attr-defined]


def test_every_packet_is_there_once_with_its_size_and_time(
    composed: tuple[Composition, Path],
) -> None:
    composition, path = composed
    expected: Counter[tuple[int, int, int, str, str]] = Counter()
    for placed in composition.placements:
        names = [text(*address) for address in placed.addresses]
        part = placed.part
        for row in range(len(part.times)):
            kept, wire = 14 + int(part.kept[row]), int(part.wire[row])
            ends = names[part.src[row]], names[part.dst[row]]
            expected[int(placed.times[row]), kept, wire, *ends] += 1
    found: Counter[tuple[int, int, int, str, str]] = Counter()
    last = 0
    with open_capture(path) as reader:
        for batch in reader.batches():
            for row in range(batch.n):
                src = text(int(batch.src_hi[row]), int(batch.src_lo[row]))
                dst = text(int(batch.dst_hi[row]), int(batch.dst_lo[row]))
                sizes = int(batch.captured[row]), int(batch.length[row])
                found[int(batch.ts[row]), *sizes, src, dst] += 1
                assert batch.ts[row] >= last
                last = int(batch.ts[row])
        assert not reader.undecoded
    assert found == expected


def test_gaps_are_kept_but_for_silences_that_are_nobodys(
    composed: tuple[Composition, Path],
) -> None:
    for placed in composed[0].placements:
        gaps, was = np.diff(placed.times), np.diff(placed.part.times)
        changed = np.flatnonzero(gaps != was) + 1
        assert set(changed.tolist()) <= set(placed.part.idle.tolist())
        assert placed.part.family is None or not len(changed)


def test_no_two_hosts_get_one_address_but_on_purpose(
    composed: tuple[Composition, Path],
) -> None:
    owners: Counter[tuple[int, int]] = Counter()
    for placed in composed[0].placements:
        ours = [a for a, kind in zip(placed.addresses, placed.part.kinds, strict=True) if kind < 3]
        assert len(set(ours)) == len(ours)
        owners.update(ours)
    attacks = sum(placed.part.family is not None for placed in composed[0].placements)
    assert owners.most_common(1)[0][1] <= 2
    assert sum(count > 1 for count in owners.values()) <= attacks


def test_no_address_survives(composed: tuple[Composition, Path]) -> None:
    composition, path = composed
    before = {
        host
        for placed in composition.placements
        for host, kind in zip(hosts_of(placed.part), placed.part.kinds, strict=True)
        if kind != Kind.GROUP
    }
    assert not before & addresses_of(path)


def test_a_flow_looks_to_the_agent_as_in_its_capture(
    composed: tuple[Composition, Path], samples: Path
) -> None:
    composition, path = composed
    after = seen(path)
    before = {name: seen(samples / f"{name}.pcap") for name in _SAMPLES}
    asking = Counter(
        key for placed in composition.placements for key in {f.key for f in placed.flows}
    )
    compared = 0
    for placed in composition.placements:
        was = before[Path(placed.part.capture).stem]
        for flow, new in zip(placed.part.flows, placed.flows, strict=True):
            if asking[new.key] > 1:
                continue  # hosts without an address yet
            key = FlowKey(new.src, new.sport, new.dst, new.dport, new.proto)
            old = [regular(each) for each in was[key_of(placed.part, flow)]]
            new_ones = [regular(each) for each in after[key]]
            # A capture that was cut has others of the same ports in another part.
            cuts = [old[i : i + len(new_ones)] for i in range(len(old))]
            assert new_ones in cuts
            compared += 1
    assert compared > 0.9 * len(composition.flows)


def test_labels_are_those_of_the_captures(
    composed: tuple[Composition, Path],
) -> None:
    composition, path = composed
    rows = FlowLabels.read(path.with_name("gateway.labels.csv"))
    result = replay_one(path, rows, Settings(), Policy(Bundle.default()))
    expected = Counter(
        (flow.label.malicious, flow.label.family) for flow in composition.flows if flow.label
    )
    tally = result.tally
    found = {(True, name): family.flows for name, family in tally.families.items()}
    found |= {(False, name): family.flows for name, family in tally.benign.items()}
    assert found == expected
    assert tally.unlabelled.flows == sum(flow.label is None for flow in composition.flows)


def test_the_same_seed_gives_the_same_bytes(parts: list[Part], tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        compose(parts, seed, _MINUTES).save(tmp_path, name)
    files = [
        [(tmp_path / f"{name}{end}").read_bytes() for end in (".pcap", ".labels.csv")]
        for name in "abc"
    ]
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_an_attack_keeps_all_its_flows(tmp_path: Path) -> None:
    scan = [(i * 0.01, syn("10.0.0.66", f"10.0.0.{1 + i % 60}", 40000 + i, 22)) for i in range(200)]
    attack = cut(capture(write(tmp_path / "scan.pcap", scan).name), tmp_path, _EVIL, 10)
    benign = parts_of(write(tmp_path / "web.pcap", talk("10.0.0.1", "9.9.9.9", 0)))
    sizes = set()
    for seed in range(12):
        compose([*attack, *benign], seed, 10).save(tmp_path, "gateway")
        rows = FlowLabels.read(tmp_path / "gateway.labels.csv")
        tally = replay_one(
            tmp_path / "gateway.pcap", rows, Settings(), Policy(Bundle.default())
        ).tally
        assert tally.benign["web"].flows == 1
        sizes.add(tally.families["scan"].flows if tally.families else 0)
    assert sizes == {0, 200}


def test_an_attack_may_be_at_a_host_that_others_use(tmp_path: Path) -> None:
    beacon = [(i * 5, udp("10.0.0.66", "9.9.9.9", 40000 + i, 4444)) for i in range(20)]
    attack = cut(capture(write(tmp_path / "c2.pcap", beacon).name), tmp_path, _EVIL, 10)
    benign = parts_of(write(tmp_path / "web.pcap", talk("10.0.0.1", "9.9.9.9", 0)))
    shared = 0
    with_attack = 0
    for seed in range(60):
        placements = compose([*attack, *benign], seed, 10).placements
        if len(placements) == 2:
            with_attack += 1
            shared += bool(set(placements[0].addresses) & set(placements[1].addresses))
    assert 0.3 < shared / with_attack < 0.7


def test_flows_never_meet_at_a_shared_host(tmp_path: Path) -> None:
    """Both announce themselves from one port to one group: as one host, they would be one flow."""
    group, port = "239.255.255.250", 1900
    attack = [(i, udp("10.0.0.66", "9.9.9.9", 40000 + i, 4444)) for i in range(20)]
    attack += [(30, udp("10.0.0.66", group, port, port))]
    evil = cut(capture(write(tmp_path / "c2.pcap", attack).name), tmp_path, _EVIL, 10)
    benign = parts_of(write(tmp_path / "web.pcap", [(0, udp("10.0.0.1", group, port, port))]))
    for seed in range(30):
        flows = compose([*evil, *benign], seed, 10).flows
        assert len({flow.key for flow in flows}) == len(flows)


def test_what_parts_disagree_on_stays_unlabelled(tmp_path: Path) -> None:
    ask = udp("0.0.0.0", "255.255.255.255", 68, 67)
    evil = [(0, ask), *talk("10.0.0.66", "9.9.9.9", 1)]
    attack = cut(capture(write(tmp_path / "c2.pcap", evil).name), tmp_path, _EVIL, 10)
    benign = parts_of(write(tmp_path / "web.pcap", [(0, ask), *talk("10.0.0.1", "9.9.9.9", 1)]))
    found = set()
    for seed in range(12):
        composition = compose([*attack, *benign], seed, 10)
        labelled = [flow.dport for flow, _ in composition.labelled()]
        found.add((len(composition.placements), tuple(sorted(labelled))))
    assert found == {(1, (67, 443)), (2, (443, 443))}


def test_checksums_are_right(composed: tuple[Composition, Path]) -> None:
    for frame, _ in RawPcapReader(str(composed[1])):
        if frame[12:14] == b"\x08\x00":
            header = np.frombuffer(frame[14 : 14 + (frame[14] & 15) * 4], ">u2").astype(int)
            total = int(header.sum())
            assert (total & 0xFFFF) + (total >> 16) in (0xFFFF, 0x1FFFE)


@given(st.binary(min_size=60, max_size=60), st.integers(5, 15))
def test_checksum_of_any_header(content: bytes, words: int) -> None:
    header = bytes([0x40 | words]) + content[1:]
    packet = IP(header[: 4 * words])
    del packet.chksum
    expected = bytes(packet)[10:12]
    found = ipv4_checksums(np.frombuffer(header, np.uint8).reshape(1, 60))
    assert found.tobytes() == expected


def test_addresses_look_like_a_network(composed: tuple[Composition, Path]) -> None:
    networks = [ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
    prefixes = set()
    for placed in composed[0].placements:
        rows = zip(placed.addresses, placed.inside, placed.part.kinds, strict=True)
        for address, is_inside, kind in rows:
            ip = ip_address(text(*address))
            if kind in (Kind.PUBLIC, Kind.PRIVATE) and ip.version == 4:
                assert is_inside == any(ip in network for network in networks)
                assert is_inside or ip.is_global
                if is_inside:
                    prefixes.add(int(ip) >> 16)
    assert len(prefixes) <= 1


def test_families_and_sources_are_equally_likely(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pcap", talk("10.0.0.1", "9.9.9.9", 0))
    made = {"scan": 30, "worm": 1}
    parts = [
        *(
            cut(capture(f"{path.name}", source=f"{family}"), tmp_path, labels, 10)[0]
            for family, count in made.items()
            for labels in [FlowLabels.whole_capture(True, family)] * count
        ),
        *(parts_of(path)),
    ]
    firsts = Counter(next(Stock(parts, 10).attacks(Random(seed))).family for seed in range(400))
    assert 150 < firsts["worm"] < 250


def test_nothing_to_compose_from(tmp_path: Path) -> None:
    long = [(at, udp("10.0.0.1", "9.9.9.9")) for at in range(0, 200, 50)]
    parts = parts_of(write(tmp_path / "a.pcap", long))
    with pytest.raises(CorpusError, match="lasts at most 2 minutes"):
        compose(parts, 1, 2)
    with pytest.raises(CorpusError, match="no benign traffic"):
        compose([], 1, 10)


_REAL = {
    "malicious/intrusiondetection__nmapSV.pcap": "scan",  # cooked, a host that talks to itself
    "malicious/pcaphunt__hs-icmpScan.pcap": "scan",
    "malicious/ndpi__shell.pcap": "c2",  # on a loopback
    "benign/iot-sentinel__HueBridge-Setup-C-15-STA.pcap": "",  # DHCP, SSDP, mDNS
    "benign/ipfixprobe__vlan.pcap": "",
    "benign/ndpi__google_meet.pcapng": "",
    "benign/ics-security-tools__8-dump.pcap": "",
}


def test_real_captures(shared: Path, tmp_path: Path) -> None:
    folder = shared / "captures"
    parts = [
        part
        for path, family in _REAL.items()
        for part in cut(
            capture(path, source=path),
            folder,
            FlowLabels.whole_capture(bool(family), family or "web"),
            10,
        )
    ]
    assert {part.capture for part in parts} == set(_REAL)
    for seed in range(3):
        composition = compose(parts, seed, 10)
        composition.save(tmp_path, "gateway")
        rows = FlowLabels.read(tmp_path / "gateway.labels.csv")
        result = replay_one(tmp_path / "gateway.pcap", rows, Settings(), Policy(Bundle.default()))
        families = Counter(f.label.family for f in composition.flows if f.label)
        assert {name: f.flows for name, f in result.tally.families.items()} == {
            name: count for name, count in families.items() if name != "web"
        }
        assert not result.undecoded
        assert not result.damage
