"""What follows alerts: hand-counted on captures of a few packets, and against the whole replay."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from agent.capture.files import open_capture
from agent.config import Settings
from agent.decision import Verdict
from agent.enforce.record import Recorder
from agent.engine import Engine, Judge
from agent.observation import NAMES
from agent.replay import replay_one, steps
from agent.tally import Family, total
from tests.agent.flows.rewrite import Trace
from tests.training.gateway.corpora import SAMPLES, sample, written
from tests.training.gateway.talk import ATTACKER, OTHER, VICTIM, Sent, attack
from training.cli import app
from training.gateway.aftermath import Aftermath, aftermath
from training.gateway.corpus import Capture
from training.gateway.ids import raised
from training.gateway.labelling import labels_of
from training.gateway.playbook_policy import PlaybookPolicy
from training.gateway.record import AllowAll
from training.gateway.remainder import Pausing, Remainder

NS = 1_000_000_000
ALERTS = [NAMES.index("src_alerts"), NAMES.index("dst_alerts")]


class Blocks:
    """Blocks everything, or whatever has alerts on either host."""

    def __init__(self, *, heeds: bool) -> None:
        self.heeds = heeds

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = np.zeros((len(observations), 4), np.float32)
        blocked = (observations[:, ALERTS] > 0).any(axis=1) | (not self.heeds)
        logits[blocked, Verdict.BLOCK] = 20
        logits[~blocked, Verdict.ALLOW] = 20
        return logits


HEEDS = Blocks(heeds=True)


def of(folder: Path, policy: Judge, *captures: Capture) -> Aftermath:
    families, whole = aftermath(captures, folder, policy)
    assert families == {"exploit": whole}
    return whole


def beats(*times: float) -> list[Sent]:
    """Packets of one UDP flow, 128 bytes each."""
    return [Sent(at, 100) for at in times]


# The alert is at 1000.1, so it is heard of at 1001. The first packet after that is decided on, and
# passes; with the rule in force the next two do not.
LONG = beats(1000.1, 1000.5, 1001.5, 1002.5, 1003.5)


def test_what_heeds_alerts_stops_what_follows(tmp_path: Path) -> None:
    found = of(tmp_path, HEEDS, attack(tmp_path, "a.pcap", *LONG))
    assert (found.captures, found.quiet, found.alerts) == (1, 0, 1)
    assert (found.after.flows, found.after.stopped) == (1, 1)
    assert found.after.packets_stopped == found.after.bytes_stopped == 2 / 4
    assert (found.heard.flows, found.heard.stopped) == (1, 1)
    assert found.heard.packets_stopped == found.heard.bytes_stopped == pytest.approx(2 / 3)


def test_nearly_all_of_what_goes_on_is_stopped(tmp_path: Path) -> None:
    found = of(tmp_path, HEEDS, attack(tmp_path, "a.pcap", *beats(*np.arange(1000.1, 1050))))
    assert found.after.bytes_stopped == pytest.approx(48 / 49)  # but the one that is decided on


def test_what_allows_everything_stops_nothing(tmp_path: Path) -> None:
    found = of(tmp_path, AllowAll(), attack(tmp_path, "a.pcap", *LONG))
    assert (found.after.flows, found.after.stopped, found.after.bytes_stopped) == (1, 0, 0)
    assert (found.heard.flows, found.heard.stopped, found.heard.bytes_stopped) == (1, 0, 0)


def test_bytes_and_packets_are_told_apart(tmp_path: Path) -> None:
    sent = [Sent(1000.1, 100), Sent(1001.5, 22), Sent(1002.5, 272)]  # the last is stopped
    found = of(tmp_path, HEEDS, attack(tmp_path, "a.pcap", *sent))
    assert found.after.packets_stopped == 1 / 2
    assert found.after.bytes_stopped == pytest.approx(300 / (300 + 50))


def test_other_flows_between_the_two_hosts_follow_and_flows_of_others_do_not(
    tmp_path: Path,
) -> None:
    shell = [Sent(1002 + i, 100, VICTIM, ATTACKER, dport=4444) for i in range(3)]
    elsewhere = [Sent(1004, 100, VICTIM, OTHER)]  # has an alert of its own, at its only packet
    spared = [Sent(1005, 100, VICTIM, ATTACKER, dport=53)]
    capture = attack(tmp_path, "a.pcap", Sent(1000.1, 100), *shell, *elsewhere, *spared)
    found = of(tmp_path, HEEDS, capture)
    assert found.alerts == 2
    assert found.after.flows == 1
    assert found.after.stopped == 1
    assert found.after.packets_stopped == pytest.approx(2 / 3)
    assert found.after == found.heard


def test_flows_that_are_over_count_for_nothing(tmp_path: Path) -> None:
    over = [Sent(900, 0, sport=1), Sent(900.1, 0, sport=1)]  # alerts at its last packet
    capture = attack(tmp_path, "a.pcap", *over)
    found = of(tmp_path, HEEDS, capture, attack(tmp_path, "b.pcap", *LONG))
    assert (found.captures, found.quiet, found.alerts) == (2, 1, 2)
    assert found.after.flows == 1
    alone = of(tmp_path, HEEDS, capture)
    assert (alone.captures, alone.quiet, alone.after.flows) == (1, 1, 0)
    assert math.isnan(alone.after.stopped)
    assert math.isnan(alone.after.bytes_stopped)


def test_what_ends_within_the_alert_s_second_follows_unheard(tmp_path: Path) -> None:
    found = of(tmp_path, HEEDS, attack(tmp_path, "a.pcap", *beats(1000.1, 1000.4, 1000.8)))
    assert (found.quiet, found.after.flows, found.after.bytes_stopped) == (0, 1, 0)
    assert found.heard.flows == 0


@pytest.mark.parametrize("alert_at", [1000.5, 1001.5, 1003.5])
def test_what_was_stopped_before_the_alert_does_not_pass_after_it(
    tmp_path: Path, alert_at: float
) -> None:
    """The first packet is decided on. All later ones are stopped, those of its second too."""
    times = [1000.1, 1000.5, 1000.7, 1001.5, 1002.5, 1003.5, 1004.5]
    sent = [Sent(at, 10 if at >= alert_at else 0) for at in times]
    found = of(tmp_path, Blocks(heeds=False), attack(tmp_path, "a.pcap", *sent))
    assert found.after.stopped == found.after.bytes_stopped == found.heard.bytes_stopped == 1


def test_what_passes_when_a_rule_has_expired_passes(tmp_path: Path) -> None:
    """A first rule lasts 60 s; the packet after its end is decided on anew, and passes."""
    times = [1000.1, 1030, 1059, 1070, 1080]
    sent = [Sent(at, 0 if at < 1030 else 10) for at in times]
    found = of(tmp_path, Blocks(heeds=False), attack(tmp_path, "a.pcap", *sent))
    assert found.after.packets_stopped == pytest.approx(2 / 3)  # of 1059, 1070 and 1080


def test_families_are_told_apart(tmp_path: Path) -> None:
    captures = [attack(tmp_path, "a.pcap", *LONG)]
    captures.append(attack(tmp_path, "b.pcap", Sent(1000, 10), family="malware"))
    families, whole = aftermath(captures, tmp_path, HEEDS)
    assert (families["exploit"].quiet, families["malware"].quiet, whole.quiet) == (0, 1, 1)
    assert families["malware"].after.flows == 0
    assert families["exploit"].after == whole.after
    assert whole.captures == whole.alerts == 2


def rest_after(capture: Capture, judge: Judge, moment_ns: int) -> Remainder:
    """What remains of a sample's malicious flows after a moment, whatever their hosts."""
    path, labels = SAMPLES / capture.path, labels_of(capture, SAMPLES)
    alerts = [replace(alert, time_ns=moment_ns) for alert in raised(path, labels)]
    rest = Remainder(alerts, NS, lambda time_ns: time_ns)
    engine = Engine(Settings(), judge, Recorder())
    with open_capture(path) as reader:
        pausing = Pausing(reader, rest.starts, lambda at: rest.begin(at, engine.table.table))
        for decisions in steps(pausing, engine):
            rest.note(decisions)
            rest.end(engine.table.ended[: engine.table.n_ended], labels)
    return rest


@pytest.mark.parametrize("judge", [AllowAll(), PlaybookPolicy(), Blocks(heeds=False)])
@pytest.mark.parametrize("name", ["home", "office"])
def test_after_a_moment_before_everything_all_of_the_replay_follows(
    name: str, judge: Judge
) -> None:
    capture = sample(name)
    labels = labels_of(capture, SAMPLES)
    whole = replay_one(SAMPLES / capture.path, labels, Settings(), judge).tally.families
    assert rest_after(capture, judge, 1).families == whole


@pytest.mark.parametrize("judge", [PlaybookPolicy(), Blocks(heeds=False)])
@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.77])
def test_what_passes_before_a_moment_and_after_it_is_all_that_passes(
    tmp_path: Path, judge: Judge, share: float
) -> None:
    capture = sample("home")
    labels = labels_of(capture, SAMPLES)
    trace = Trace.read(SAMPLES / capture.path)
    moment_us = trace.frames[round(share * len(trace.frames))].time_us
    before = tmp_path / "before.pcap"
    before.write_bytes(Trace(f for f in trace.frames if f.time_us <= moment_us).pcap())

    def passed(families: dict[str, Family]) -> NDArray[np.int64]:
        every = total(families)
        return np.array([every.packets, every.bytes, every.packets_passed, every.bytes_passed])

    parts = passed(replay_one(before, labels, Settings(), judge).tally.families)
    parts += passed(rest_after(capture, judge, moment_us * 1000).families)
    whole = replay_one(SAMPLES / capture.path, labels, Settings(), judge)
    assert np.array_equal(parts, passed(whole.tally.families))


@pytest.mark.parametrize("policy", ["allow", "playbook"])
def test_the_command_tells_what_follows(tmp_path: Path, policy: str) -> None:
    capture = attack(tmp_path, "a.pcap", *LONG)
    quiet = attack(tmp_path, "b.pcap", Sent(1000, 10), family="malware")
    manifest = str(written(tmp_path / "corpus.toml", capture, quiet))
    command = ["gateway", "evaluate", policy, "--corpus", manifest, "--with-alerts"]
    result = CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False)
    told = json.loads(result.stdout)["alerts"]
    assert (told["all"]["captures"], told["all"]["quiet"], told["all"]["alerts"]) == (2, 1, 2)
    assert told["families"]["exploit"]["after"]["flows"] == 1
    assert told["families"]["malware"]["after"]["stopped"] is None
    shown = CliRunner().invoke(app, command, catch_exceptions=False).stdout
    assert "nothing follows the alert in 1 of 2 captures with alerts" in shown
    assert "exploit" in shown.split("after an alert")[1]
