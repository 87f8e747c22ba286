"""Recordings: nothing of a capture is lost, and every flow is who it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.bundle import Bundle
from agent.capture.files import open_capture
from agent.config import Settings
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.labels import FlowLabels, label_path
from agent.observation import NAMES
from agent.policy import Policy
from agent.replay import replay_one, steps
from training.gateway.record import AllowAll, record
from training.gateway.recording import NO_KEY, SEGMENTS, Recording

SAMPLES = Path(__file__).parents[2] / "captures"
CAPTURES = ("home", "office", "beacon")


def _recorded(name: str) -> Recording:
    path = SAMPLES / f"{name}.pcap"
    labels = label_path(path)
    assert labels is not None
    return record(path, FlowLabels.read(labels))


@pytest.mark.parametrize("name", CAPTURES)
def test_every_packet_but_a_flows_first_is_in_one_segment(name: str) -> None:
    made = _recorded(name)
    inside = np.bincount(made.flow, made.segment_packets.sum(axis=1), len(made.label))
    assert (made.packets - inside == 1).all()
    shares = np.bincount(made.flow, made.share, len(made.label))
    np.testing.assert_allclose(shares, 1, rtol=1e-5)


@pytest.mark.parametrize("name", CAPTURES)
def test_segments_reach_as_far_as_the_flow_does(name: str) -> None:
    """The gaps from a flow's first point on sum to the flow's duration."""
    made = _recorded(name)
    path = SAMPLES / f"{name}.pcap"
    engine = Engine(Settings(), AllowAll(), Recorder())
    lived = {}
    with open_capture(path) as reader:
        for _ in steps(reader, engine):
            for flow in engine.table.ended[: engine.table.n_ended]:
                lived[int(flow["serial"]) - 1] = (int(flow["last_ns"]), int(flow["first_ns"]))
    after = made.time_ns / 1e9 + made.segment_gap_s.sum(axis=1)
    last = np.full(len(made.label), -np.inf)
    np.maximum.at(last, made.flow, after)
    first = np.full(len(made.label), np.inf)
    np.minimum.at(first, made.flow, made.time_ns / 1e9)
    spans = np.array([(b - a) / 1e9 for b, a in (lived[i] for i in range(len(made.label)))])
    np.testing.assert_allclose(last - first, spans, atol=1e-3)


@pytest.mark.parametrize("name", CAPTURES)
def test_points_are_in_order_and_know_the_one_before(name: str) -> None:
    made = _recorded(name)
    assert (np.diff(made.time_ns) >= 0).all()
    latest: dict[int, int] = {}
    for number, flow in enumerate(made.flow.tolist()):
        assert made.before[number] == latest.get(flow, -1)
        latest[flow] = number


def test_labels_are_those_of_a_replay() -> None:
    path = SAMPLES / "home.pcap"
    labels = FlowLabels.read(SAMPLES / "home.labels.csv")
    tally = replay_one(path, labels, Settings(), Policy(Bundle.default())).tally
    made = _recorded("home")
    for label, families in ((1, tally.families), (0, tally.benign)):
        names, counts = np.unique(made.family[made.label == label], return_counts=True)
        wanted = {name: family.flows for name, family in families.items()}
        assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == wanted


def test_keys_tell_flows_apart_as_rules_do() -> None:
    """Flows of one local host can be isolated together; every flow has a source and a peer."""
    made = _recorded("office")
    source, service, peer, host = made.keys.T
    assert (made.keys[:, :3] != NO_KEY).all()
    local = made.observations[np.unique(made.flow, return_index=True)[1]]
    names = ("initiator_local", "responder_local")
    either = local[:, [NAMES.index(name) for name in names]].any(axis=1)
    assert ((host != NO_KEY) == either).all()
    assert len({*source, *service, *peer, *host} - {NO_KEY}) <= made.num_keys
    # A service belongs to one peer.
    assert len(np.unique(np.stack([service, peer], axis=1), axis=0)) == len(np.unique(service))


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = _recorded("beacon")
    made.save(tmp_path / "beacon.npz")
    again = Recording.load(tmp_path / "beacon.npz")
    for name in Recording.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(made, name))


def test_an_interval_of_many_packets_has_few_segments() -> None:
    made = _recorded("home")
    assert made.segment_packets.shape[1] == SEGMENTS
    most = made.segment_packets.sum(axis=1).argmax()
    assert made.segment_packets[most].sum() > SEGMENTS
    assert np.ptp(made.segment_packets[most]) <= 1
