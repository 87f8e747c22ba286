"""The sample captures are what ``make.py`` makes, wholly labelled, and sound TCP."""

import subprocess
import sys
from functools import cache
from ipaddress import ip_network
from pathlib import Path

import dpkt
import pytest

from agent.addresses import words
from agent.labels import FlowLabels, label_path
from tests.training.gateway.synth.seen import Address, Key, Seen, read

HERE = Path(__file__).parent
NAMES = ("home", "office")
FAMILIES = {"port scan", "ssh brute force", "c2 beacon", "syn flood", "slow exfiltration"}
LOCAL_OR_DOCUMENTATION = [
    *map(ip_network, ("192.168.1.0/24", "10.20.0.0/16", "224.0.0.251/32", "239.255.255.250/32")),
    *map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")),
    *map(ip_network, ("2001:db8::/32", "fd00::/8", "ff02::/16")),
]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captures")
    command = [sys.executable, "-m", "tests.captures.make", str(folder)]
    subprocess.run(command, check=True, cwd=HERE.parents[1])
    return folder


@cache
def packets(name: str) -> list[Seen]:
    return list(read(HERE / f"{name}.pcap"))


def flows(name: str) -> dict[frozenset[tuple[Address, int, int]], tuple[int, Key]]:
    """The first packet of each 5-tuple."""
    found: dict[frozenset[tuple[Address, int, int]], tuple[int, Key]] = {}
    for at, key, *_ in packets(name):
        src, sport, dst, dport, proto = key
        found.setdefault(frozenset({(src, sport, proto), (dst, dport, proto)}), (at, key))
    return found


@pytest.mark.parametrize("suffix", [".pcap", ".labels.csv"])
def test_regeneration_gives_the_committed_bytes(name: str, suffix: str, regenerated: Path) -> None:
    made, committed = (folder / (name + suffix) for folder in (regenerated, HERE))
    assert made.read_bytes() == committed.read_bytes(), f"make {committed.name} again"


def test_every_flow_has_a_label_and_every_label_a_flow(name: str) -> None:
    path = label_path(HERE / f"{name}.pcap")
    assert path
    labels = FlowLabels.read(path)
    assert len(labels) == len(flows(name))
    for at, (src, sport, dst, dport, proto) in flows(name).values():
        assert labels.match(words(src), sport, words(dst), dport, proto, at), (src, sport, dst)


def families(name: str, label: str) -> set[str]:
    lines = (HERE / f"{name}.labels.csv").read_text().splitlines()
    return {family for _, found, family in (x.rsplit(",", 2) for x in lines) if found == label}


def test_the_attack_families_are_all_there() -> None:
    assert families("home", "malicious") == {"port scan", "c2 beacon", "slow exfiltration"}
    assert families("home", "malicious") | families("office", "malicious") == FAMILIES


def test_habits_are_there(name: str) -> None:
    habits = {"web", "dns", "mail", "backup", "file sharing", "infrastructure"}
    assert habits < families(name, "benign")
    assert not families(name, "benign") & FAMILIES


def test_addresses_are_private_or_reserved_for_documentation(name: str) -> None:
    used = {address for seen in packets(name) for address in (seen.key[0], seen.key[2])}
    for address in used:
        assert any(address in network for network in LOCAL_OR_DOCUMENTATION), address


def test_tcp_numbers_follow_from_what_was_sent(name: str) -> None:
    due: dict[Key, int] = {}  # the next sequence number of each direction
    for _, key, tcp, size, _ in packets(name):
        if isinstance(tcp, dpkt.tcp.TCP):
            src, sport, dst, dport, proto = key
            assert tcp.seq == due.get(key, tcp.seq)
            if tcp.flags & dpkt.tcp.TH_ACK:
                assert (due[dst, dport, src, sport, proto] - tcp.ack) % 2**32 < 2**20
            phantom = bool(tcp.flags & (dpkt.tcp.TH_SYN | dpkt.tcp.TH_FIN))
            due[key] = (tcp.seq + size - tcp.off * 4 + phantom) % 2**32


def test_captures_stay_small(name: str) -> None:
    assert (HERE / f"{name}.pcap").stat().st_size < 620_000
    times = [seen.at for seen in packets(name)]
    assert times == sorted(times)
    assert 600e9 < times[-1] - times[0] < 1500e9
