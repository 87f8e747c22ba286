"""Exercises: of which kinds they are, and what is to be learned of them."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

import pytest

from training.teacher.lm.exercises import (
    FEWEST,
    KINDS,
    MOST,
    Exercise,
    draw,
    draw_by_heart,
)
from training.teacher.lm.prose import documents, incident, prose
from training.teacher.playbook.passages import rules_of
from training.teacher.playbook.reader import subjects
from training.teacher.playbook.rule import (
    Advice,
    Rule,
    followed,
    most_urgent,
    parse,
    prescribe,
    weigh,
)
from training.teacher.playgrounds import BRIEFS, passages_of


@cache
def exercises() -> list[Exercise]:
    chance = random.Random(5)
    return [draw(chance) for _ in range(400)]


@cache
def by_heart() -> list[Exercise]:
    chance = random.Random(5)
    return [draw_by_heart(chance) for _ in range(200)]


def read(exercise: Exercise, lines: int) -> Advice:
    """What so many of the prompt's lines prescribe, taken from its text."""
    told: dict[str, list[Rule]] = {}
    label = ""
    for line in exercise.question.user.splitlines()[:lines]:
        if line.startswith(" "):
            told[label].append(parse(line))
        else:
            label = line.split()[0]
            told[label] = []
    follows = {label: most_urgent(rules) for label, rules in told.items()}
    return weigh(follows, exercise.actions[0])


def test_exercises_are_of_all_sizes_and_both_playgrounds() -> None:
    sizes = Counter(len(it.lines) for it in exercises())
    assert set(sizes) <= {1, *range(FEWEST, MOST + 1)}
    assert max(sizes) > 40
    for brief in BRIEFS.values():
        share = sum(it.brief is brief for it in exercises()) / len(exercises())
        assert 0.1 < share < 0.9
    levels = Counter(rule.level for it in exercises() for rules in it.told for rule in rules)
    assert len(levels) == 5
    assert min(levels.values()) > 0.7 * max(levels.values())


def test_every_kind_of_action_occurs() -> None:
    assert {kind for it in exercises() for kind in it.question.choices.kinds} == {*KINDS}
    assert {it.actions[0] for it in exercises()} == {*KINDS}


def test_hosts_are_in_the_order_of_their_numbers() -> None:
    for it in [*exercises(), *by_heart()]:
        hosts = [f"host{n + 1}" for n in range(len(it.lines))]
        assert [*subjects(it.lines)] == (hosts if it.brief.on_hosts else ["flow"])


def test_rules_hold_where_they_stand_and_prescribe_what_is_to_be_learned() -> None:
    for it in exercises():
        said = subjects(it.lines)
        for words, rules in zip(said.values(), it.told, strict=True):
            assert all(rule.holds(words) for rule in rules)
        assert sum(it.advice.values()) == pytest.approx(1)
        if len(it.lines) == 1:
            assert it.advice == pytest.approx(prescribe(it.told[0], said, it.actions[0]))
            assert set(followed(it.told[0], said["flow"])) <= set(it.told[0])


def test_what_is_right_so_far_follows_from_the_lines_that_were_read() -> None:
    for it in exercises()[:60]:
        for lines in range(it.question.user.count("\n") + 2):
            assert it.advice_after(lines) == pytest.approx(read(it, lines))


def test_before_anything_is_read_one_waits_and_after_everything_the_advice_is_right() -> None:
    for it in [*exercises(), *by_heart()]:
        assert it.advice_after(0) == {(it.actions[0], ""): 1.0}
        assert it.advice_after(1000) == it.advice


def test_by_heart_no_rule_is_shown_and_the_shipped_ones_are_right() -> None:
    for it in by_heart():
        assert it.question.user == "\n".join(it.lines)
        rules = rules_of(passages_of(it.brief))
        assert it.advice == pytest.approx(prescribe(rules, subjects(it.lines), it.actions[0]))


def test_by_heart_states_are_of_both_playgrounds_and_many_need_something() -> None:
    for brief in BRIEFS.values():
        mine = [it for it in by_heart() if it.brief is brief]
        assert 0.1 < len(mine) / len(by_heart()) < 0.9
        assert all(it.question.choices.kinds == brief.kinds for it in mine)
        assert sum(any(it.told) for it in mine) / len(mine) > 0.2


def test_incidents_end_in_what_is_most_urgent() -> None:
    for it in exercises()[:60]:
        text = incident(it, random.Random(1))
        action = text.removesuffix(".").rpartition("Nothing is more urgent than this: ")[2]
        assert action in it.actions
        kind, _, host = action.partition(" ")
        mine = it.advice.get((kind, host), it.advice.get((kind, "flow")))
        assert mine == pytest.approx(max(it.advice.values()))
    assert [*documents(3, 5)] == [*documents(3, 5)]
    assert len(prose()) > 40
