"""A gateway's flow in words, and the written playbook that speaks of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.decision import VERDICTS
from agent.observation import NAMES, raw_values
from tests.training.gateway.flows import SCAN, flow
from tests.training.gateway.observed import observe
from training.gateway.playbook import PlaybookTeacher
from training.gateway.state import BRIEF, line_of, state_of
from training.teacher.playbook.passages import FOLDER, read_all
from training.teacher.playbook.reader import PassageTeacher
from training.teacher.teacher import StateText

RULES = [rule for passage in read_all(FOLDER / "gateway") for rule in passage.rules]
TEACHERS = (PassageTeacher(RULES), PlaybookTeacher())
CASES = {
    "flow local": {},
    "flow remote": {"initiator_local": 0},
    "flow local web": {"service_web": 1, "payload_bwd": 1e6},
    "flow local name": {"service_name": 1, "tcp": 0, "udp": 1},
    "flow remote mail": {"service_mail": 1, "initiator_local": 0},
    "flow local ignored roaming probing": SCAN | {"src_ports_short": 60, "src_ports_long": 60},
    "flow remote ignored roaming sweeping": (
        SCAN | {"src_peers_short": 60, "src_peers_long": 60, "initiator_local": 0}
    ),
    "flow local file ignored spreading": SCAN | {"src_peers_long": 40, "service_file": 1},
    "flow remote swamping": {
        "established": 0, "dst_half_open_short": 300, "dst_flows_short": 310, "initiator_local": 0,
    },
    "flow remote login guessing": {
        "service_login": 1, "pair_flows": 30, "pair_age": 100, "pair_upload": 6e4,
        "initiator_local": 0,
    },
    "flow local beaconing": {"pair_flows": 20, "pair_gap_regularity": 0.95, "pair_gap_mean": 30},
    "flow local uploading": {
        "payload_fwd": 2e6, "payload_bwd": 2e4, "duration": 6e5, "pair_age": 600,
    },
    "flow local flooding": {"packets_fwd": 500, "rate": 2e5, "answered": 0},
    "flow local notorious": {"src_alerts": 24, "src_unanswered_long": 0.6},
}  # fmt: skip


@pytest.mark.parametrize("line", CASES)
def test_a_flow_is_described_in_words(line: str) -> None:
    assert line_of(flow(**CASES[line])) == line


def test_the_cases_say_every_word() -> None:
    assert {word for line in CASES for word in line.split()} == {"flow", *BRIEF.words}


@pytest.mark.parametrize(("alerts", "line"), [(13, "flow local"), (15, "flow local notorious")])
def test_a_sign_is_shown_from_half_of_its_rule_on(alerts: float, line: str) -> None:
    # The rule goes from 8 alerts to 24, by the logarithm of one more: half is at 14.
    assert line_of(flow(src_alerts=alerts, src_unanswered_long=1)) == line


def test_an_observation_is_a_flow_in_units_and_in_words(samples: Path) -> None:
    for row in observe(samples / "scan.pcap", 20, np.random.default_rng(1)):
        state = state_of(row)
        assert state.facts == dict(zip(NAMES, raw_values(row[None])[0].tolist(), strict=True))
        assert state.lines == (line_of(state.facts),)
        assert state.actions == VERDICTS


def test_passages_speak_of_what_is_said_and_can_be_done() -> None:
    assert {word for rule in RULES for word in rule.words} <= BRIEF.words
    assert {kind for rule in RULES for kind in rule.kinds} <= set(VERDICTS)


@pytest.mark.parametrize("line", CASES)
def test_passages_advise_what_the_rules_do_on_every_sign(line: str) -> None:
    state = StateText(flow(**CASES[line]), (line,), VERDICTS)
    read, ruled = (teacher.distribution([state]).argmax() for teacher in TEACHERS)
    assert VERDICTS[read] == VERDICTS[ruled]


def test_passages_agree_with_the_rules_that_they_put_into_words(samples: Path) -> None:
    generator = np.random.default_rng(1)
    captures = [observe(each, 1000, generator) for each in sorted(samples.glob("*.pcap"))]
    states = [state_of(row) for row in np.concatenate(captures)]
    read, ruled = (teacher.distribution(states).argmax(1) for teacher in TEACHERS)
    acts = ruled > 0
    assert acts.sum() > 500
    assert (read == ruled).float().mean() >= 0.97
    assert (read == ruled)[acts].float().mean() >= 0.97
