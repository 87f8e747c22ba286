"""Rules as lines, and what they prescribe, by hand and by algebra."""

from __future__ import annotations

from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import TeacherError
from training.teacher.playbook.rule import (
    LEVELS,
    Rule,
    Subjects,
    followed,
    parse,
    prescribe,
)

KINDS = ("sleep", "restore", "decoy", "remove")  # the first changes nothing
HOSTS = ("host1", "host2", "host3", "host4")
SAID = st.sampled_from(("core", "vital", "cheap", "scanned", "bare"))
DONE = st.sampled_from(KINDS)


def lists(items: st.SearchStrategy[str], most: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(items, min_size=1, max_size=most, unique=True).map(tuple)


def rules(
    said: st.SearchStrategy[str] = SAID, kind: st.SearchStrategy[str] = DONE
) -> st.SearchStrategy[Rule]:
    level = st.integers(0, len(LEVELS) - 1)
    return st.builds(Rule, lists(said, 3), level, lists(kind, 2))


PLAYBOOKS = st.lists(rules(), max_size=6)
STATES = st.dictionaries(st.sampled_from(HOSTS), st.frozensets(SAID))
ANY_WORD = st.text(ascii_lowercase, min_size=1, max_size=8)


def advice(state: dict[str, str], *lines: str) -> dict[str, float]:
    """What lines prescribe where these words are said; actions are called as in playgrounds."""
    subjects = {label: frozenset(words.split()) for label, words in state.items()}
    found = prescribe([parse(line) for line in lines], subjects, "sleep")
    return {f"{kind} {label}".strip(): share for (kind, label), share in found.items()}


@given(rules(ANY_WORD, ANY_WORD.filter(lambda kind: kind != "if")))
def test_a_rule_is_the_line_that_it_writes(rule: Rule) -> None:
    assert parse(str(rule)) == rule


def test_a_line_by_hand() -> None:
    rule = parse(" must restore  or remove if  vital and accessed ")
    assert rule == Rule(("vital", "accessed"), 2, ("restore", "remove"))
    assert str(rule) == "must restore or remove if vital and accessed"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "vital",
        "if vital",
        "must restore",
        "must restore if",
        "must restore vital",
        "must if vital",
        "restore if vital",
        "might restore if vital",
        "must restore remove if vital",
        "must restore or if vital",
        "must restore and remove if vital",
        "must restore or restore if vital",
        "must restore or remove or analyse if vital",
        "must restore if vital bare",
        "must restore if vital or bare",
        "must restore if vital and",
        "must restore if and and",
        "must restore if vital and and bare",
        "must restore if vital and vital",
        "must restore if vital if bare",
        "vital: must restore",
    ],
)
def test_what_is_no_rule_is_refused(line: str) -> None:
    with pytest.raises(TeacherError) as told:
        parse(line)
    says = f"{line!r} is no rule; write 'must action or action if word and word'"
    assert str(told.value).startswith(says)


def test_a_rule_holds_where_all_its_words_are_said() -> None:
    rule = parse("must decoy if vital and bare")
    assert rule.holds(frozenset({"vital", "scanned", "bare"}))
    assert not rule.holds(frozenset({"vital", "scanned"}))


def test_one_rule_about_one_host() -> None:
    state = {"host1": "vital accessed", "host2": "vital"}
    found = advice(state, "should restore or remove if vital and accessed")
    total = 0.1 + 10
    assert found == pytest.approx(
        {"sleep": 0.1 / total, "restore host1": 7.5 / total, "remove host1": 2.5 / total}
    )


def test_a_level_is_worth_ten_of_the_one_below() -> None:
    state = {"host1": "vital accessed", "host2": "cheap accessed"}
    found = advice(state, "urgently restore if vital", "must remove if cheap")
    total = 0.1 + 1000 + 100
    assert found == pytest.approx(
        {"sleep": 0.1 / total, "restore host1": 1000 / total, "remove host2": 100 / total}
    )


def test_a_host_follows_only_the_most_urgent() -> None:
    found = advice({"host1": "vital scanned"}, "may decoy if vital", "must remove if scanned")
    assert found == pytest.approx({"sleep": 0.1 / 100.1, "remove host1": 100 / 100.1})


def test_equally_urgent_rules_share_a_host() -> None:
    state = {"host1": "vital scanned"}
    found = advice(state, "may restore or remove if vital", "may remove if scanned")
    assert found == pytest.approx(
        {"sleep": 0.1 / 1.1, "restore host1": 0.375 / 1.1, "remove host1": 0.625 / 1.1}
    )


def test_waiting_has_a_tenth_of_a_least_urgent_rule() -> None:
    found = advice({"host1": "open"}, "may decoy if open")
    assert found == pytest.approx({"sleep": 1 / 11, "decoy host1": 10 / 11})


def test_a_rule_may_say_to_wait() -> None:
    state = {"host1": "cheap", "host2": "cheap", "host3": "vital"}
    found = advice(state, "may sleep if cheap", "should decoy or sleep if vital")
    total = 0.1 + 1 + 1 + 10
    assert found == pytest.approx({"sleep": 4.6 / total, "decoy host3": 7.5 / total})


def test_where_nothing_holds_one_waits() -> None:
    assert advice({"host1": "cheap", "host2": ""}, "must decoy if cheap and bare") == {"sleep": 1}
    assert advice({}, "must decoy if cheap") == {"sleep": 1}


@given(PLAYBOOKS, STATES)
def test_probabilities_sum_to_one(playbook: list[Rule], state: Subjects) -> None:
    found = prescribe(playbook, state, "sleep")
    assert sum(found.values()) == pytest.approx(1)
    assert min(found.values()) > 0


@given(PLAYBOOKS, STATES, st.data())
def test_no_order_matters(playbook: list[Rule], state: Subjects, data: st.DataObject) -> None:
    others = data.draw(st.permutations(playbook))
    turned = dict(data.draw(st.permutations(list(state.items()))))
    expected = prescribe(playbook, state, "sleep")
    assert prescribe(others, turned, "sleep") == pytest.approx(expected)


@given(PLAYBOOKS, STATES, rules())
def test_a_rule_that_holds_nowhere_changes_nothing(
    playbook: list[Rule], state: Subjects, rule: Rule
) -> None:
    elsewhere = Rule((*rule.words, "unsaid"), rule.level, rule.kinds)
    expected = prescribe(playbook, state, "sleep")
    assert prescribe([elsewhere, *playbook], state, "sleep") == expected


@given(PLAYBOOKS, STATES, st.permutations(HOSTS))
def test_other_labels_give_the_same_advice_under_them(
    playbook: list[Rule], state: Subjects, labels: list[str]
) -> None:
    called = {"": "", **dict(zip(HOSTS, labels, strict=True))}
    expected = prescribe(playbook, state, "sleep")
    found = prescribe(playbook, {called[host]: said for host, said in state.items()}, "sleep")
    assert found == {(kind, called[host]): share for (kind, host), share in expected.items()}


@given(PLAYBOOKS, st.frozensets(SAID))
def test_the_best_action_is_one_of_the_most_urgent_rules(
    playbook: list[Rule], said: frozenset[str]
) -> None:
    found = prescribe(playbook, {"host1": said, "host2": frozenset()}, "sleep")
    holding = [rule for rule in playbook if said >= set(rule.words)]
    urgent = [rule for rule in holding if rule.level == max(other.level for other in holding)]
    best, _ = max(found, key=found.__getitem__)
    assert best in ({kind for rule in urgent for kind in rule.kinds} or {"sleep"})
    assert followed(playbook, said) == urgent
