"""Attacks have the shape that their names claim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.gateway.synth.seen import Seen, packets
from training.gateway.synth.attacks import c2, exfiltration, flood, scan
from training.gateway.synth.attacks.guess import (
    DIALOGUES,
    Dialogue,
    brute_force,
    guess_by_datagram,
)
from training.gateway.synth.attacks.mining import stratum
from training.gateway.synth.attacks.spread import worm, worm_by_datagram
from training.gateway.synth.scenario import SCENARIOS
from training.gateway.synth.stack import Stack
from training.gateway.synth.tcp import Tcp
from training.gateway.synth.wire import Host, Wire

GATEWAY = "02:00:00:00:00:01"
OWN_PORTS = Stack(ports=(1024, 65535))
REMOTE = Host(GATEWAY, "198.51.100.7", 0.05, 50, stack=OWN_PORTS)
BOT = Host("02:00:00:00:00:10", "192.168.1.16", 0.002, 64, stack=OWN_PORTS)
NEIGHBOURS = [Host(f"02:00:00:00:01:{n:02x}", f"192.168.1.{n}", 0.001) for n in range(20, 60)]
SYN = 0x02


@pytest.fixture
def wire() -> Wire:
    return Wire(3, 1_700_000_000)


def opened(seen: list[Seen]) -> list[Seen]:
    return [each for each in seen if each.key[4] == 6 and each.transport.flags == SYN]


def test_a_sweep_touches_many_hosts_at_one_port(wire: Wire, tmp_path: Path) -> None:
    probes = [(0.1 * n, host, 445) for n, host in enumerate(NEIGHBOURS)]
    scan.syn_scan(wire, BOT, 40_000, probes, lambda host, port: "silent", scan.RAW)
    seen = packets(wire, tmp_path)
    assert len(seen) == len({each.key[2] for each in seen}) == 40
    assert {each.key[3] for each in seen} == {445}


@pytest.mark.parametrize(("state", "frames"), [("open", 3), ("closed", 2), ("silent", 1)])
def test_what_a_raw_probe_brings(
    state: scan.State, frames: int, wire: Wire, tmp_path: Path
) -> None:
    scan.syn_scan(wire, REMOTE, 40_000, [(1, BOT, 22)], lambda host, port: state, scan.RAW)
    seen = packets(wire, tmp_path)
    assert [each.transport.flags for each in seen] == {
        "open": [0x02, 0x12, 0x04],
        "closed": [0x02, 0x14],
        "silent": [0x02],
    }[state]
    assert seen[0].transport.win == 1024


def test_fin_is_refused_with_its_number_acknowledged(wire: Wire, tmp_path: Path) -> None:
    for flags, more in ((0x01, 1), (0, 0)):
        tap = Wire(flags, 0)
        scan.odd_scan(tap, REMOTE, 4_000, [(1, BOT, 9)], lambda host, port: "closed", flags, 1024)
        probe, refusal = packets(tap, tmp_path)
        assert refusal.transport.ack == (probe.transport.seq + more) % 2**32


@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.5])
def test_a_beacons_gaps_have_the_jitter_that_is_claimed(
    jitter: float, wire: Wire, tmp_path: Path
) -> None:
    c2.c2_beacon(wire, 0, 3_000, BOT, REMOTE, 20.0, jitter, family="c2")
    starts = np.array([each.at for each in opened(packets(wire, tmp_path))]) / 1e9
    gaps = np.diff(starts)
    assert len(gaps) > 100
    assert gaps.mean() == pytest.approx(20, rel=0.01 + jitter / 6)
    # The deviation of a uniform distribution over 2 j is j / sqrt(3).
    assert gaps.std() / 20 == pytest.approx(jitter / 3**0.5, abs=0.03 + jitter / 10)


def test_a_controller_that_is_down_is_only_asked(wire: Wire, tmp_path: Path) -> None:
    c2.c2_beacon(wire, 0, 100, BOT, REMOTE, 10, 0.0, down=1.0)
    assert all(each.transport.flags == SYN for each in packets(wire, tmp_path))


@pytest.mark.parametrize("dialogue", DIALOGUES)
def test_brute_force_is_many_sessions_at_one_service(
    dialogue: Dialogue, wire: Wire, tmp_path: Path
) -> None:
    brute_force(wire, 0, REMOTE, BOT, 12, dialogue)
    starts = opened(packets(wire, tmp_path))
    assert len({each.key for each in starts}) == 12
    assert {each.key[3] for each in starts} == {dialogue.port}


def test_a_worm_tries_many_and_fails_mostly(wire: Wire, tmp_path: Path) -> None:
    probes = [(0.2 * n, host, 23) for n, host in enumerate(NEIGHBOURS)]
    worm(wire, BOT, probes, lambda host, port: "open" if host is NEIGHBOURS[0] else "silent", 5_000)
    seen = packets(wire, tmp_path)
    assert len({each.key[2] for each in opened(seen)}) == 40
    assert {each.key[0] for each in seen} == {*(x.key[0] for x in opened(seen)), seen[0].key[2]}


def test_what_leaves_is_what_was_taken(wire: Wire, tmp_path: Path) -> None:
    tcp = Tcp(wire, 0, BOT, REMOTE, 443, "exfiltration").open()
    exfiltration.bulk(tcp, 300_000, 20_000, 1e6, 0.1)
    up = [each for each in packets(wire, tmp_path) if each.key[3] == 443]
    assert sum(each.size - each.transport.off * 4 for each in up) == 300_000


def test_an_amplifier_multiplies(wire: Wire, tmp_path: Path) -> None:
    flood.amplified(wire, 0, [BOT], REMOTE, 53, 50, 100, asked=True)
    seen = packets(wire, tmp_path)
    asked = sum(each.size for each in seen if each.key[3] == 53)
    told = sum(each.size for each in seen if each.key[1] == 53)
    assert told > 10 * asked


def test_slowloris_holds_connections_and_says_little(wire: Wire, tmp_path: Path) -> None:
    flood.slowloris(wire, 0, 120, [REMOTE], BOT, 80, 30, 10)
    seen = packets(wire, tmp_path)
    assert len(opened(seen)) == 30
    assert not any(each.transport.flags & 1 for each in seen)
    assert sum(each.size for each in seen) / 30 < 3_000


def test_mining_is_one_long_connection_of_small_messages(wire: Wire, tmp_path: Path) -> None:
    stratum(wire, 0, 600, BOT, REMOTE, 3333, 20, 30, encrypted=False)
    seen = packets(wire, tmp_path)
    assert len(opened(seen)) == 1
    assert seen[-1].at - seen[0].at > 500e9
    assert max(each.size for each in seen) < 800


def test_a_surge_is_one_flow_that_turns(tmp_path: Path) -> None:
    tap = SCENARIOS["surge"](4)
    malicious = [row for row in tap._flows.values() if row[-2] == "malicious"]
    assert [row[-1] for row in malicious] == ["c2"]
    key = {malicious[0][2], malicious[0][4]}
    mine = [x for x in packets(tap, tmp_path) if {x.key[1], x.key[3]} == key]
    half = [x.size for x in mine if x.at / 1e9 - tap.epoch < 120]
    assert sum(half) < 20_000
    assert sum(x.size for x in mine) > 400_000


@pytest.mark.parametrize("name", ["busy_backup", "video_call"])
def test_scenarios_without_attack(name: str) -> None:
    tap = SCENARIOS[name](4)
    rows = list(tap._flows.values())
    assert {row[-2] for row in rows} == {"benign"}
    assert {"busy_backup": "backup", "video_call": "call"}[name] in {row[-1] for row in rows}


@pytest.mark.parametrize(("state", "frames"), [("open", 2), ("closed", 2), ("silent", 1)])
def test_an_acknowledgement_out_of_nowhere_is_reset_unless_filtered(
    state: scan.State, frames: int, wire: Wire, tmp_path: Path
) -> None:
    scan.odd_scan(wire, REMOTE, 4_000, [(1, BOT, 9)], lambda host, port: state, 0x10, 1024)
    seen = packets(wire, tmp_path)
    assert len(seen) == frames
    if frames == 2:
        assert seen[1].transport.flags == 0x04
        assert seen[1].transport.seq == seen[0].transport.ack


def test_banners_are_taken_and_left(wire: Wire, tmp_path: Path) -> None:
    probes = [(0.1 * n, host, 80) for n, host in enumerate(NEIGHBOURS)]
    scan.grab_banners(wire, REMOTE, probes, lambda host, port: "open", 40)
    seen = packets(wire, tmp_path)
    assert len(opened(seen)) == 40
    asked = [each for each in seen if each.key[3] == 80 and each.size >= 60]
    assert len(asked) == 40


def test_a_flood_of_segments_opens_nothing(wire: Wire, tmp_path: Path) -> None:
    flood.segments(wire, 0, lambda: REMOTE, BOT, 80, 200, 100, 0x10, 100)
    seen = packets(wire, tmp_path)
    assert not opened(seen)
    towards = [each for each in seen if each.key[3] == 80]
    assert len({each.key for each in towards}) == 200
    assert {each.size for each in towards} == {120}
    assert {each.transport.flags for each in seen if each.key[1] == 80} == {0x04}


def test_visits_are_whole_connections_until_there_are_no_more(wire: Wire, tmp_path: Path) -> None:
    flood.visits(wire, 0, [REMOTE], BOT, 80, 100, 50, 200, 2)
    seen = packets(wire, tmp_path)
    answered = {each.key[3] for each in seen if each.key[1] == 80}
    begun = {each.key[1] for each in opened(seen)}
    assert len(begun) == 100
    assert 60 < len(answered) < 100


@pytest.mark.parametrize("service", flood.AMPLIFIERS)
def test_every_amplifier_multiplies(service: int, wire: Wire, tmp_path: Path) -> None:
    flood.amplified(wire, 0, [BOT], REMOTE, service, 50, 100, asked=True)
    seen = packets(wire, tmp_path)
    asked = sum(each.size for each in seen if each.key[3] == service)
    assert sum(each.size for each in seen if each.key[1] == service) > 2 * asked


def test_passwords_of_a_telephone_are_one_flow_or_many(wire: Wire, tmp_path: Path) -> None:
    for one_port, flows in ((True, 1), (False, 20)):
        tap = Wire(3, 0)
        guess_by_datagram(tap, 0, REMOTE, BOT, 20, 0.5, one_port)
        seen = packets(tap, tmp_path)
        assert len(seen) == 40
        assert len({each.key for each in seen if each.key[3] == 5060}) == flows


def test_a_worm_in_one_datagram(wire: Wire, tmp_path: Path) -> None:
    probes = [(0.01 * n, host, 0) for n, host in enumerate(NEIGHBOURS)]
    worm_by_datagram(wire, BOT, probes, 1434, 376)
    seen = [each for each in packets(wire, tmp_path) if each.key[4] == 17]
    assert {(each.key[1], each.key[3], each.size) for each in seen} == {(seen[0].key[1], 1434, 384)}
    assert len({each.key[2] for each in seen}) == 40


def test_a_chat_is_one_connection_that_the_server_keeps_alive(wire: Wire, tmp_path: Path) -> None:
    c2.c2_chat(Tcp(wire, 0, BOT, REMOTE, 6667, "c2").open(), 600, 60, 0.1)
    seen = packets(wire, tmp_path)
    assert len(opened(seen)) == 1
    assert seen[-1].at - seen[0].at > 480e9


def test_made_up_names_are_denied_but_for_the_last(wire: Wire, tmp_path: Path) -> None:
    found = c2.c2_made_up_names(wire, 0, BOT, REMOTE, 30, 5)
    seen = packets(wire, tmp_path)
    sizes = [each.size for each in seen if each.key[1] == 53]
    assert len(sizes) == 30
    assert min(sizes) == sizes[-1]
    assert found == pytest.approx(6, rel=0.6)


def test_dead_controllers_never_answer_with_data(wire: Wire, tmp_path: Path) -> None:
    c2.c2_dead_controllers(wire, 0, BOT, NEIGHBOURS[:12], 443, 2.0)
    seen = packets(wire, tmp_path)
    assert len({each.key[2] for each in opened(seen)}) == 12
    assert {each.transport.flags for each in seen} <= {SYN, 0x14}


def test_bots_without_a_controller_ask_each_other(wire: Wire, tmp_path: Path) -> None:
    c2.c2_peers(wire, 0, BOT, NEIGHBOURS, 2.0, 0.7, 100)
    seen = packets(wire, tmp_path)
    asked = {each.key[2] for each in seen if each.size == 108 and each.key[0] == seen[0].key[0]}
    answering = {each.key[0] for each in seen} - {seen[0].key[0]}
    assert len(asked) == 40
    assert 4 <= len(answering) <= 20


def test_files_leave_on_connections_of_their_own(wire: Wire, tmp_path: Path) -> None:
    exfiltration.transfers(wire, 0, BOT, REMOTE, [5_000, 7_000], 1e6)
    seen = packets(wire, tmp_path)
    assert len(opened(seen)) == 3
    data = [x for x in seen if 21 not in (x.key[1], x.key[3]) and x.key[0] == seen[0].key[0]]
    assert sum(each.size - each.transport.off * 4 for each in data) == 12_000


def test_posts_go_to_all_drops(wire: Wire, tmp_path: Path) -> None:
    exfiltration.posts(wire, 0, BOT, NEIGHBOURS[:3], 80, 4_000, 30, 0.5)
    seen = packets(wire, tmp_path)
    assert len(opened(seen)) == 30
    assert len({each.key[2] for each in opened(seen)}) == 3
