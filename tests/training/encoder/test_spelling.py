"""Where an encoder's answer is read: at the host's own line, under the kind's label."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from tests.training.lm.small import fluent
from training.errors import TeacherError
from training.teacher.encoder.spelling import Spelled, spell
from training.teacher.lm.exercises import KINDS, Exercise, draw
from training.teacher.question import Question, choices

WRITTEN = Question(
    "Say what to do of host1.",
    "host12 vital\n must restore if vital\nhost1\nhost2 bare",
    "Action: ",
    choices(("sleep", "restore host1", "restore host12", "decoy host2", "decoy host1")),
)


@cache
def exercises() -> list[Exercise]:
    chance = random.Random(5)
    return [draw(chance) for _ in range(60)]


def seen(spelled: Spelled) -> Iterator[tuple[str, str, str]]:
    """At each action's place: the text before, the token there, and what the label stands for."""
    for place, label in zip(spelled.places, spelled.labels, strict=True):
        before = fluent().decode(spelled.tokens[:place])
        yield before, fluent().decode([spelled.tokens[place]]), KINDS[label]


def test_a_written_question_by_hand() -> None:
    found = [
        (before.rpartition("\n")[2] + here, kind)
        for before, here, kind in seen(spell(WRITTEN, fluent(), KINDS))
    ]
    assert found[0] == (fluent().decode(fluent().encode("Say")[:1]), "sleep")
    assert found[1:] == [
        ("host1", "restore"), ("host12", "restore"), ("host2", "decoy"), ("host1", "decoy"),
    ]  # fmt: skip


def test_an_action_is_scored_at_its_hosts_number() -> None:
    for it in exercises():
        for action, (before, here, kind) in zip(
            it.actions, seen(spell(it.question, fluent(), KINDS)), strict=True
        ):
            wanted, _, host = action.partition(" ")
            assert kind == wanted
            if host:
                # A rule is indented, so only a host's own line begins so.
                assert before.endswith("\nhost")
                assert f"host{here}" == host
            else:
                assert before == ""


def test_no_action_shares_its_place_and_label_with_another() -> None:
    for it in exercises():
        spelled = spell(it.question, fluent(), KINDS)
        pairs = [*zip(spelled.places, spelled.labels, strict=True)]
        assert len({*pairs}) == len(it.actions)


def test_the_text_is_the_prompts_with_a_label_before_each_rule() -> None:
    for question in (WRITTEN, *(it.question for it in exercises())):
        text, label = question.system, ""
        for line in question.user.split("\n"):
            label = label if line.startswith(" ") else line.partition(" ")[0]
            text += f"\n {label}{line}" if line.startswith(" ") else f"\n{line}"
        assert fluent().decode(spell(question, fluent(), KINDS).tokens) == f"{text}\n"


def test_the_reply_does_not_matter() -> None:
    other = replace(WRITTEN, reply="I would ")
    assert spell(other, fluent(), KINDS) == spell(WRITTEN, fluent(), KINDS)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(TeacherError, match=r"not trained on actions called 'restore'; it knows"):
        spell(WRITTEN, fluent(), ("sleep", "decoy"))


def test_a_host_without_a_line_is_refused() -> None:
    # That others or a rule name it is not enough.
    cut = replace(WRITTEN, user="host12 vital\n must restore host1 if vital\nhost2")
    with pytest.raises(TeacherError, match="no line is about host1,"):
        spell(cut, fluent(), KINDS)
