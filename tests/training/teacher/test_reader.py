"""The teacher that follows rules to the letter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.decision import VERDICTS
from training.cage2.brief import BRIEF
from training.teacher.playbook.passages import FOLDER, read_all
from training.teacher.playbook.reader import PassageTeacher, subjects
from training.teacher.playbook.rule import parse
from training.teacher.teacher import StateText

LINES = ("host1 core vital accessed", "host2 cheap controlled", "host3")
ACTIONS = ("sleep", *(f"{kind} host{n}" for kind in ("remove", "restore") for n in (1, 2, 3)))
RULES = ("must restore or remove if vital and accessed", "may restore if cheap and controlled")


def says(*rules: str) -> PassageTeacher:
    return PassageTeacher([parse(rule) for rule in rules])


def told(teacher: PassageTeacher, lines: tuple[str, ...], actions: tuple[str, ...]) -> torch.Tensor:
    return teacher.distribution([StateText({}, lines, actions)])


def test_lines_are_a_label_and_words() -> None:
    assert subjects(LINES) == {
        "host1": {"core", "vital", "accessed"},
        "host2": {"cheap", "controlled"},
        "host3": frozenset(),
    }


def test_advice_about_hosts_by_hand() -> None:
    found = told(says(*RULES), LINES, ACTIONS)
    expected = torch.tensor([[0.1, 25.0, 0.0, 0.0, 75.0, 1.0, 0.0]]) / 101.1
    torch.testing.assert_close(found, expected)


def test_advice_about_a_flow_by_hand() -> None:
    teacher = says("must block or throttle if guessing", "must allow if login")
    found = told(teacher, ("flow remote login guessing",), VERDICTS)
    torch.testing.assert_close(found, torch.tensor([[50.1, 12.5, 37.5, 0.0]]) / 100.1)


@pytest.mark.parametrize(
    ("actions", "left"),
    [
        (("sleep", "restore host1", "restore host2"), [0.1, 75.0, 1.0]),
        (("sleep", "restore host2", "remove host2"), [0.1, 1.0, 0.0]),
        (("sleep", "monitor"), [0.1, 0.0]),
    ],
)
def test_what_cannot_be_done_is_left_out(actions: tuple[str, ...], left: list[float]) -> None:
    found = told(says(*RULES), LINES, actions)
    torch.testing.assert_close(found, torch.tensor([left]) / sum(left))


LINE = st.lists(st.sampled_from(sorted(BRIEF.words)), unique=True).map(" ".join)
STATE = st.tuples(LINE, LINE, LINE).map(
    lambda said: StateText({}, tuple(f"host{n + 1} {s}" for n, s in enumerate(said)), ACTIONS)
)
SHIPPED = PassageTeacher([rule for p in read_all(FOLDER / "cage2") for rule in p.rules])


@settings(deadline=None)
@given(st.lists(STATE, min_size=1, max_size=4))
def test_every_row_is_a_distribution_about_its_own_state(states: list[StateText]) -> None:
    table = SHIPPED.distribution(states)
    assert (table.shape, table.dtype) == ((len(states), len(ACTIONS)), torch.float32)
    torch.testing.assert_close(table.sum(1), torch.ones(len(states)))
    assert (table >= 0).all()
    assert torch.equal(table, torch.cat([SHIPPED.distribution([state]) for state in states]))
