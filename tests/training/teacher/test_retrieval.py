"""Which passages are found for a state."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.teacher.passages import passage
from training.cage2.brief import BRIEF
from training.cage2.env import Cage2
from training.cage2.memory import Cage2Memory
from training.cage2.short_actions import shorten
from training.cage2.teachers import make_teacher
from training.errors import TeacherError
from training.teacher.playbook.passages import FOLDER, Passage, read, read_all
from training.teacher.playbook.reader import PassageTeacher
from training.teacher.playbook.retrieval import Shelf
from training.teacher.prompt import PASSAGES
from training.teacher.teacher import StateText

SHIPPED = read_all(FOLDER / "cage2")
SHELF = Shelf(SHIPPED)
CORE, VITAL = passage("must restore if core"), passage("may decoy if vital and bare")


def test_a_condition_wholly_said_beats_a_rarer_word() -> None:
    whole = passage("may decoy if vital and bare")
    rare = passage("must restore if costly and restored")
    others = [passage("may remove if vital and open and bare and scanned") for _ in range(5)]
    shelf = Shelf([*others, rare, whole])
    assert shelf.find(["host1 costly", "host2 vital"], 1) == [rare]
    assert shelf.find(["host1 vital costly bare"], 1) == [whole]


def test_a_condition_is_said_of_one_host_or_not_at_all() -> None:
    half, whole = passage("may decoy if vital and bare"), passage("may remove if cheap")
    assert Shelf([half, whole]).find(["host1 vital", "host2 bare", "host3 cheap"], 1) == [whole]


def test_among_conditions_said_alike_the_rarer_word_counts() -> None:
    common = [passage(f"may decoy if vital and {word}") for word in ("open", "bare", "outer")]
    rare = passage("may remove if restored and cheap")
    assert Shelf([*common, rare]).find(["host1 vital restored"], 1) == [rare]


def test_a_rule_counts_more_than_an_explanation() -> None:
    says = passage("may remove if vital", "may decoy if bare and core", reason="It is open.")
    explains = passage("may remove if vital", "may decoy if open and core", reason="It is bare.")
    shelf = Shelf([explains, says, passage("may restore if costly")])
    assert shelf.find(["host1 vital bare"], 1) == [says]
    assert shelf.find(["host1 vital bare"], 2) == [explains, says]


LINES = st.lists(st.lists(st.sampled_from(sorted(BRIEF.words)), unique=True), max_size=6).map(
    lambda lines: [" ".join([f"host{n + 1}", *words]) for n, words in enumerate(lines)]
)


@settings(deadline=None)
@given(LINES, st.integers(0, len(SHIPPED) + 1), st.data())
def test_as_many_as_asked_come_in_the_shelfs_order(
    lines: list[str], count: int, data: st.DataObject
) -> None:
    found = SHELF.find(data.draw(st.permutations(lines)), count)
    every = SHELF.find(lines, len(SHIPPED))
    assert len(found) == min(count, len(every))
    assert found == [there for there in SHIPPED if there in found]
    assert all(there in SHELF.find(lines, count + 1) for there in found)


@pytest.mark.parametrize("lines", [[], ["host1"], ["flow"], ["host1", "host2 "], ["host1 42 ¿?"]])
def test_lines_without_a_word_find_nothing(lines: list[str]) -> None:
    assert SHELF.find(lines, PASSAGES) == []


def test_a_label_is_no_word() -> None:
    assert Shelf([passage("may allow if flow")]).find(["flow remote"], 1) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("cor", []),
        ("cor*", []),
        ("core*", [CORE]),
        ('"core', [CORE]),
        ('x" OR "vital', [VITAL]),
        ("-vital", [VITAL]),
        ("^core", [CORE]),
        ("NOT core", [CORE]),
        ("core AND vital", [CORE, VITAL]),
        ("NEAR(core unsaid, 9)", [CORE]),
        ("{rules} : unsaid", []),
        ("rules:core", [CORE]),
        ("OR", []),
        ("(((", []),
        ("'; DROP TABLE passage; --", []),
        ("passage MATCH rowid", []),
        ("core\0vital", [CORE, VITAL]),
    ],
)
def test_a_querys_syntax_in_a_line_means_nothing(said: str, expected: list[Passage]) -> None:
    shelf = Shelf([CORE, VITAL])
    assert shelf.find([f"host1 {said}"], 2) == expected
    assert shelf.find(["host1 core vital"], 2) == [CORE, VITAL]


@settings(deadline=None)
@given(st.text(st.sampled_from("corevital \"*^:(){}+-'\0éORANDT"), max_size=40))
def test_what_is_found_has_a_word_of_the_line(said: str) -> None:
    for found in SHELF.find([f"host1 {said}"], len(SHIPPED)):
        text = f"{found}\n{found.title}\n{found.reason}".lower()
        assert set(re.findall(r"[a-z]+", said)) & set(re.findall(r"\w+", text))


def test_an_edited_passage_is_found_and_followed_as_it_reads_now(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    state = StateText({}, ("host1 vital accessed", "host2 controlled"), ("sleep", "x host2"))

    def told(line: str) -> tuple[list[Passage], float]:
        file.write_text(f"---\ntitle: a title\nreason: A reason.\n---\n{line}\n")
        found = Shelf([read(file)]).find(state.lines, 1)
        rules = [rule for there in found for rule in there.rules]
        return found, float(PassageTeacher(rules).distribution([state])[0, 1])

    assert told("may x if bare") == ([], 0.0)
    assert told("may x if controlled") == ([passage("may x if controlled")], pytest.approx(1 / 1.1))
    assert told("must x if controlled")[1] == pytest.approx(100 / 100.1)


def test_a_shelf_without_passages_is_refused() -> None:
    with pytest.raises(TeacherError, match="a shelf without passages: write one"):
        Shelf([])


@cache
def played(chance: float) -> list[StateText]:
    """Sixty states of play that follows the passages, but for a share of random actions."""
    teacher, dice = make_teacher("passages", "official"), torch.Generator().manual_seed(1)
    states = []
    for red in ("B_line", "Meander"):
        env = Cage2(3, torch.Generator().manual_seed(2), red=(red,))
        memory = Cage2Memory(env.scenario)
        obs, state = env.reset(), torch.zeros(3, memory.state_size)
        for step in range(30):
            texts = [memory.recall(env.describe(i), state[i]) for i in range(3)]
            states += [shorten(text) for text in texts if step % 3 == 0]
            advised = teacher.distribution(texts).argmax(1)
            rolled = torch.randint(env.scenario.num_actions, (3,), generator=dice)
            action = torch.where(torch.rand(3, generator=dice) < chance, rolled, advised)
            state = memory.remember(obs, state, action)
            obs, *_ = env.step(action)
    return states


def best(states: list[StateText], count: int) -> list[int]:
    """Numbers of the actions that so many passages for each state advise most."""
    chosen = []
    for state in states:
        rules = [rule for found in SHELF.find(state.lines, count) for rule in found.rules]
        chosen.append(int(PassageTeacher(rules).distribution([state]).argmax()))
    return chosen


@pytest.mark.parametrize("chance", [0.2, 1.0])
def test_the_passages_in_a_prompt_advise_what_all_do(chance: float) -> None:
    states = played(chance)
    every = best(states, len(SHIPPED))
    found = best(states, PASSAGES)
    assert len({states[i].actions[number].split()[0] for i, number in enumerate(every)}) > 1
    assert sum(map(int.__eq__, found, every)) >= 0.95 * len(states)
