"""CAGE-2's actions with one kind for all decoys, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch

from training.cage2.describe import action_labels
from training.cage2.env import Cage2
from training.cage2.scenario import load
from training.cage2.short_actions import KINDS, ShortActionsTeacher, shorten
from training.errors import PolicyError
from training.teacher.teacher import StateText

START = Cage2(1, torch.Generator().manual_seed(0)).describe(0)
HOSTS = [f"host{n}" for n in range(1, 14)]
PLAIN = ["sleep", *(f"{verb} {at}" for verb in ("analyse", "remove", "restore") for at in HOSTS)]
SHORT = [*PLAIN, *(f"decoy {at}" for at in HOSTS)]
# Attraction squared: Apache 4, Haraka 16, Tomcat 9, Vsftpd 4; a Windows server takes Femitter only.
LINUX = {"apache": 4 / 33, "harakasmpt": 16 / 33, "tomcat": 9 / 33, "vsftpd": 4 / 33}


class Says:
    """Advises the same in every state, by labels; keeps what it was asked."""

    def __init__(self, advice: Mapping[str, float]) -> None:
        self.advice = advice
        self.asked: list[StateText] = []

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        self.asked = list(states)
        row = [self.advice.get(label, 0.0) for label in states[0].actions]
        return torch.tensor([row] * len(states))


def state(**decoys: float) -> StateText:
    """The official network's start, where some decoys ("host1_DecoyApache") run or do not fit."""
    facts = {name.replace("_", "."): value for name, value in decoys.items()}
    return replace(START, facts={**START.facts, **facts})


def advised(advice: Mapping[str, float], *states: StateText) -> list[dict[str, float]]:
    """What is advised at all, by labels of the scenario's actions."""
    rows = ShortActionsTeacher(Says(advice)).distribution(states)
    torch.testing.assert_close(rows.sum(1), torch.ones(len(states)))
    named = [dict(zip(START.actions, row, strict=True)) for row in rows.tolist()]
    return [{label: share for label, share in row.items() if share} for row in named]


def test_kinds_are_said_host_by_host_in_the_order_of_their_numbers() -> None:
    short = shorten(START)
    assert list(short.actions) == SHORT
    assert {label.split()[0] for label in SHORT} == set(KINDS)
    assert (short.facts, short.lines) == (START.facts, START.lines)


def test_other_playgrounds_are_refused() -> None:
    with pytest.raises(PolicyError, match="no action 'analyse host1'"):
        shorten(StateText({}, (), ("sleep", "restore host1")))


def test_the_teacher_is_asked_about_short_actions() -> None:
    inner, states = Says({"sleep": 1.0}), [START, state(host1_DecoyApache=1)]
    ShortActionsTeacher(inner).distribution(states)
    assert inner.asked == [shorten(each) for each in states]


@pytest.mark.parametrize("name", ["official", "generated-5", "generated-31"])
def test_every_short_action_keeps_its_share(name: str) -> None:
    start = Cage2(1, torch.Generator(), scenario=load(name)).describe(0)
    short = shorten(start).actions
    mass = torch.arange(1.0, len(short) + 1)
    advice = dict(zip(short, (mass / mass.sum()).tolist(), strict=True))
    (row,) = ShortActionsTeacher(Says(advice)).distribution([start]).tolist()
    given = dict(zip(action_labels(load(name)), row, strict=True))
    assert given.pop("monitor") == 0
    found = dict.fromkeys(short, 0.0)
    for label, share in given.items():
        *verb, at = label.split()
        found[f"decoy {at}" if verb[:1] == ["decoy"] else label] += share
    assert found == pytest.approx(advice)


def test_a_host_gets_the_decoys_that_fit_as_attackers_like_them() -> None:
    (given,) = advised({"sleep": 0.4, "decoy host7": 0.6}, START)
    wanted = {f"decoy {decoy} host7": 0.6 * share for decoy, share in LINUX.items()}
    assert given == pytest.approx({"sleep": 0.4, **wanted})


def test_where_no_decoy_fits_the_rest_counts() -> None:
    advice = {"sleep": 0.5, "decoy host8": 0.3, "restore host8": 0.2}
    (given,) = advised(advice, state(host8_DecoyFemitter=1))
    assert given == pytest.approx({"sleep": 5 / 7, "restore host8": 2 / 7})


def test_each_state_of_a_batch_has_its_own_decoys() -> None:
    advice = {"decoy host7": 0.5, "decoy host8": 0.25, "remove host7": 0.25}
    tomcat_only = {f"host7_Decoy{name}": 1.0 for name in ("Apache", "HarakaSMPT", "Vsftpd")}
    states = [START, state(host7_DecoyHarakaSMPT=1), state(**tomcat_only, host8_DecoyFemitter=1)]
    both = {"decoy femitter host8": 0.25, "remove host7": 0.25}
    apart = {"apache": 4 / 17, "tomcat": 9 / 17, "vsftpd": 4 / 17}
    first, second, third = advised(advice, *states)
    assert first == pytest.approx(both | {f"decoy {k} host7": v / 2 for k, v in LINUX.items()})
    assert second == pytest.approx(both | {f"decoy {k} host7": v / 2 for k, v in apart.items()})
    assert third == pytest.approx({"decoy tomcat host7": 2 / 3, "remove host7": 1 / 3})
