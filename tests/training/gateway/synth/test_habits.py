"""Every habit is honest, drawn anew each time, and has the shape that its name claims."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.config import Settings
from agent.labels import FlowLabels
from agent.replay import replay_one
from tests.agent.flows.golden import Onlooker
from tests.training.gateway.synth.seen import flows
from training.gateway.synth.benign import (
    automation,
    crowd,
    database,
    devices,
    directory,
    gaming,
    industrial,
    mail_server,
    management,
    peer_to_peer,
    serving,
    telephony,
    trouble,
    tunnels,
)
from training.gateway.synth.benign.day import _ways
from training.gateway.synth.benign.habits import EVERYDAY, TOPICS, Habit
from training.gateway.synth.machines import machine
from training.gateway.synth.site import Site, imagine
from training.gateway.synth.wire import FAMILIES, Wire

HABITS = {**EVERYDAY, **{habit: kinds for topic in TOPICS for habit, kinds in topic.habits.items()}}
KINDS = ("desktop", "desktop", "phone", "media", "thing", "thing", "printer", "server", "server")
SECONDS = 600.0
OF_A_TOPIC = {
    "peer_to_peer": {"p2p"},
    "directory": {"office"},
    "database": {"database"},
    "serving": {"visitor", "health check", "proxy"},
    "mail_server": {"mail"},
    "automation": {"ssh", "build", "desktop", "file sharing"},
    "management": {"management", "monitoring", "infrastructure", "backup", "reconnect"},
    "trouble": {"web", "dns", "retry", "infrastructure", "push", "download"},
    "devices": {"iot"},
    "industrial": {"industrial"},
    "telephony": {"voip", "call"},
    "gaming": {"game", "video"},
    "tunnels": {"vpn"},
}
Flows = NDArray[np.void]


def house(seed: int) -> Site:
    """One with machines of every kind."""
    site = imagine(Wire(seed, 1_600_000_000, end=SECONDS))
    dice = site.wire.random
    for nth, kind in enumerate(KINDS):
        ip = f"{site.prefix}.{nth + 230}"
        if ip not in {each.host.ip for each in site.machines} | {site.gateway.ip}:
            site.machines.append(machine(dice, kind, ip, None, site.gateway.vlan))
    return site


@cache
def occasion(habit: Habit, seed: int) -> Wire:
    site = house(seed)
    fitting = [each for each in site.machines if each.kind in HABITS[habit]]
    habit(site, site.wire.random.choice(fitting))
    return site.wire


def of(habit: Habit, folder: Path, seeds: int = 10) -> list[Flows]:
    """The flows of each of some occasions at which anything was seen, as the agent follows them."""
    wires = [occasion(habit, seed) for seed in range(seeds)]
    return [flows(wire, folder) for wire in wires if len(wire) > 5]


def rows(wire: Wire) -> list[tuple[str, str]]:
    """Labels and families of a wire's flows."""
    return [row[-2:] for row in wire._flows.values()]


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: f"{habit.__module__}.{habit.__name__}")
def test_a_habit_is_honest_varied_and_no_more_than_a_capture_can_hold(habit: Habit) -> None:
    wires = [occasion(habit, seed) for seed in range(5)]
    assert {label for wire in wires for label, _ in rows(wire)} == {"benign"}
    families = {family for wire in wires for _, family in rows(wire)}
    assert families <= OF_A_TOPIC.get(habit.__module__.rpartition(".")[2], families)
    assert not families & set(FAMILIES)
    assert max(map(len, wires)) < 4_000
    assert len({len(wire) for wire in wires}) > 1
    again = occasion.__wrapped__(habit, 3)
    assert (again._frames, again._flows) == (wires[3]._frames, wires[3]._flows)


def test_the_agent_follows_all_of_them_and_each_flow_has_its_label(tmp_path: Path) -> None:
    site = house(1)
    for habit, kinds in HABITS.items():
        habit(site, next(each for each in site.machines if each.kind in kinds))
    site.wire.save(tmp_path, "all")
    labels = FlowLabels.read(tmp_path / "all.labels.csv")
    result = replay_one(tmp_path / "all.pcap", labels, Settings(), Onlooker())
    assert result.flows > 1_000
    assert result.tally.unlabelled.flows == 0
    assert not result.tally.families
    assert result.damage is None
    assert set(result.undecoded) <= {"arp"}


def test_houses_have_ways_of_their_own() -> None:
    houses = [_ways(house(seed)) for seed in range(30)]
    known = [set().union(*ways.values()) for ways in houses]
    assert all(set(EVERYDAY) <= each for each in known)
    assert set().union(*known) == set(HABITS)
    for topic in TOPICS:
        without = sum(not each & set(topic.habits) for each in known)
        assert 0 < without < len(houses), topic
    liked = [ways["desktop"][next(iter(EVERYDAY))] for ways in houses]
    assert max(liked) > 2 * min(liked)


def peers(found: Flows) -> int:
    return len(np.unique(found["dst_lo"] ^ found["dst_hi"]))


def unanswered(found: Flows) -> float:
    return float(1 - found["answered"].mean())


@pytest.mark.parametrize(
    ("habit", "most", "silent"),
    [
        (peer_to_peer.gossip, 60, 0.3),
        (peer_to_peer.swarm, 40, 0.3),
        (peer_to_peer.gnutella, 40, 0.3),
        (peer_to_peer.keep_node, 15, 0.3),
        (gaming.browse_servers, 80, 0.3),
        (trouble.lose_line, 5, 0.9),
    ],
)
def test_many_are_asked_and_a_share_is_silent_as_if_it_were_a_scan(
    habit: Habit, most: int, silent: float, tmp_path: Path
) -> None:
    seen = of(habit, tmp_path)
    assert max(map(peers, seen)) > most
    assert max(map(unanswered, seen)) > silent


@pytest.mark.parametrize(
    "habit", [peer_to_peer.gossip, peer_to_peer.swarm, gaming.browse_servers, trouble.wake_up]
)
def test_how_much_is_in_vain_differs(habit: Habit, tmp_path: Path) -> None:
    shares = [unanswered(found) for found in of(habit, tmp_path)]
    assert max(shares) - min(shares) > 0.2


def test_a_few_peers_carry_it_all(tmp_path: Path) -> None:
    carried = [
        np.sort(each["payload_fwd"] + each["payload_bwd"])
        for each in of(peer_to_peer.swarm, tmp_path)
    ]
    assert any(each[-4:].sum() > 0.8 * each.sum() > 50_000 for each in carried)


def test_strangers_dial_in_too(tmp_path: Path) -> None:
    found = np.concatenate(of(peer_to_peer.swarm, tmp_path))
    own = [0xFFFF_0000_0000 | net for net in (0x0A << 24, 0xC0A8 << 16)]
    local = [
        ((found["src_lo"] ^ net) >> bits) == 0 for net, bits in zip(own, (24, 16), strict=True)
    ]
    assert 0.02 < 1 - np.logical_or(*local).mean() < 0.9


@pytest.mark.parametrize(
    ("habit", "ports"),
    [
        (directory.log_on, {53, 88, 135, 389, 445}),
        (directory.netbios, {137, 138}),
        (mail_server.receive, {25}),
        (automation.run_playbook, {22, 2222}),
        (telephony.register, {5060}),
        (industrial.automate_building, {47808}),
        (devices.ask_sensors, {5683, 5684}),
        (management.poll_counters, {161}),
    ],
)
def test_a_habit_speaks_at_its_ports(habit: Habit, ports: set[int], tmp_path: Path) -> None:
    found = np.concatenate(of(habit, tmp_path, 8))
    assert ports <= {int(port) for port in found["dport"]}


@pytest.mark.parametrize(
    ("habit", "least"),
    [
        (automation.use_repository, 12),
        (automation.run_playbook, 12),
        (automation.offer_keys, 8),
        (mail_server.wrong_password, 8),
        (database.connect_each_time, 25),
    ],
)
def test_short_sessions_at_one_service_as_if_passwords_were_tried(
    habit: Habit, least: int, tmp_path: Path
) -> None:
    seen = of(habit, tmp_path)
    sessions = [
        max(np.unique(each["dport"][each["established"] == 1], return_counts=True)[1], default=0)
        for each in seen
    ]
    assert max(sessions) >= least
    assert min(sessions) < max(sessions) / 2


def starts(found: Flows) -> NDArray[np.float64]:
    """Gaps in seconds between starts of flows of the pair of hosts that has most of them."""
    pairs = found["src_lo"] ^ found["dst_lo"] << np.uint64(16)
    values, counts = np.unique(pairs, return_counts=True)
    busiest = found[pairs == values[counts.argmax()]]
    return np.diff(np.sort(busiest["first_ns"])) / 1e9


@pytest.mark.parametrize("habit", [serving.check_health, automation.run_regularly])
def test_as_regular_as_a_beacon(habit: Habit, tmp_path: Path) -> None:
    gaps = [starts(found) for found in of(habit, tmp_path) if len(found) > 8]
    regular = [each.std() / each.mean() for each in gaps if len(each) > 4]
    assert min(regular) < 0.05
    assert len({round(float(each.mean())) for each in gaps}) > 3


def test_pictures_are_much_one_way(tmp_path: Path) -> None:
    found = np.concatenate(of(gaming.stream_by_datagram, tmp_path))
    assert found["payload_bwd"].sum() > 10 * found["payload_fwd"].sum()


def test_a_tunnel_is_one_long_flow(tmp_path: Path) -> None:
    for found in of(tunnels.tunnel_by_stream, tmp_path):
        assert len(found) == 1
    spans = [
        int(each["last_ns"][0] - each["first_ns"][0])
        for each in of(tunnels.tunnel_by_stream, tmp_path)
    ]
    assert max(spans) > 60e9


def test_a_restart_is_refused_and_then_everybody_is_back(tmp_path: Path) -> None:
    found = max(of(management.restart, tmp_path), key=len)
    assert peers(found) == 1
    assert 0 < found["established"].mean() < 1


def test_a_popular_server_is_asked_by_many(tmp_path: Path) -> None:
    found = max(of(serving.be_popular, tmp_path), key=len)
    assert peers(found) == 1
    assert len(np.unique(found["src_lo"])) == len(found) > 40


@pytest.mark.parametrize("seed", range(4))
def test_a_dead_server_is_retried(seed: int, tmp_path: Path) -> None:
    site = house(seed)
    one, other = site.machines[:2]
    crowd.retrying(site.wire, 0, 300, one.host, other.host, 3306, 20)
    found = flows(site.wire, tmp_path)
    assert 10 < len(found) < 20
    assert not found["established"].any()
