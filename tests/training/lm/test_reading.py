"""Exercises as examples: what is asked for stands where the answer is read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from tests.training.lm.small import fluent
from training.errors import TeacherError
from training.teacher.lm.batch import Example
from training.teacher.lm.exercises import Exercise, draw, draw_by_heart
from training.teacher.lm.reading import Reader, by_kind
from training.teacher.lm.tokenizer import Tokenizer
from training.teacher.playbook.passages import rules_of
from training.teacher.playbook.reader import subjects
from training.teacher.playbook.rule import prescribe
from training.teacher.playgrounds import passages_of

USER = "<|im_start|>user\n"
ALL = 1000  # more ends of lines than there are


@cache
def exercises() -> list[Exercise]:
    chance = random.Random(5)
    return [draw(chance) for _ in range(60)]


def words(target: Mapping[int, float]) -> dict[str, float]:
    """What the tokens of a distribution say."""
    return {fluent().decode([token]).strip(): share for token, share in target.items()}


def targets(example: Example) -> Iterator[tuple[str, dict[str, float]]]:
    """The text up to each target, and what is wanted there, from first to last."""
    for place, target in sorted(example.targets.items()):
        yield fluent().decode(example.tokens[: place + 1]), words(target)


def test_the_kind_is_asked_for_where_its_label_begins() -> None:
    for it in exercises():
        before, kinds = next(targets(Reader(fluent()).example(it, random.Random(1))))
        assert before.endswith("<|im_start|>assistant\nAction:")
        assert before.count("\nAction:") == 1
        assert kinds == pytest.approx(by_kind(it.advice))


def test_hosts_are_asked_for_one_likely_kind_after_the_other() -> None:
    asked = []
    for it in exercises():
        _, *hosts = targets(Reader(fluent()).example(it, random.Random(1)))
        shares = by_kind(it.advice)
        likely = {k for k, share in shares.items() if share >= 1e-3 and (k, "") not in it.advice}
        for number, (before, found) in enumerate(hosts, 1):
            answers = before.rpartition("<|im_start|>assistant\n")[2].splitlines()
            assert len(answers) == number
            kind = answers[-1].removeprefix("Action: ").removesuffix(" host")
            mine = {host: share for (done, host), share in it.advice.items() if done == kind}
            expected = {host[4:]: share / shares[kind] for host, share in mine.items()}
            assert found == pytest.approx(expected)
            assert kind in likely
            likely.remove(kind)  # none is asked for twice
        assert len(hosts) in ({0} if not it.brief.on_hosts else {4, len(hosts) + len(likely)})
        asked.append(len(hosts))
    assert {0, 1, 2, 4} <= {*asked}
    assert max(asked) == 4


def test_chance_chooses_which_kind_comes_first() -> None:
    it = max(exercises(), key=lambda it: len(by_kind(it.advice)))
    ends = [Reader(fluent()).example(it, random.Random(seed)).tokens[-12:] for seed in range(20)]
    firsts = {tuple(tokens) for tokens in ends}
    assert len(firsts) > 1


def test_the_tokens_are_those_of_the_text() -> None:
    for it in exercises():
        tokens = Reader(fluent()).example(it, random.Random(1)).tokens
        assert fluent().encode(fluent().decode(tokens), special=True) == tokens


def test_along_the_way_it_is_asked_what_is_right_so_far() -> None:
    for it in exercises():
        example = Reader(fluent(), along=ALL).example(it, random.Random(1))
        found = [(text, kinds) for text, kinds in targets(example) if text.endswith("\n")]
        assert len(found) == it.question.user.count("\n")
        for text, kinds in found:
            seen = text.partition(USER)[2]
            assert it.question.user.startswith(seen)
            assert kinds == pytest.approx(by_kind(it.advice_after(seen.count("\n"))))


def test_by_heart_too_it_is_asked_what_is_right_so_far() -> None:
    chance = random.Random(5)
    for it in (draw_by_heart(chance) for _ in range(40)):
        example = Reader(fluent(), along=ALL).example(it, chance)
        for text, kinds in targets(example):
            if text.endswith("\n"):
                lines = text.partition(USER)[2].splitlines()
                rules = rules_of(passages_of(it.brief))
                advice = prescribe(rules, subjects(lines), it.actions[0])
                assert kinds == pytest.approx(by_kind(advice))


@pytest.mark.parametrize("along", [0, 1, 3])
def test_no_more_places_along_the_way_than_asked_for(along: int) -> None:
    seen = set()
    for it in exercises():
        plain = Reader(fluent()).example(it, random.Random(1))
        example = Reader(fluent(), along=along).example(it, random.Random(1))
        more = len(example.targets) - len(plain.targets)
        assert more == min(along, it.question.user.count("\n"))
        seen.add(more)
    assert max(seen) == along


def test_a_reader_makes_examples_up_from_chance_alone() -> None:
    reader = Reader(fluent(), along=2)
    examples = [reader(random.Random(seed)) for seed in (1, 1, 2)]
    assert examples[0] == examples[1]
    assert examples[0] != examples[2]


def test_a_reader_asks_about_what_it_is_told_to_draw() -> None:
    reader, chance = Reader(fluent(), draw=lambda _: exercises()[3]), random.Random(1)
    before, _ = next(targets(reader(chance)))
    assert exercises()[3].question.user in before


def test_a_tokeniser_that_cuts_a_label_is_refused() -> None:
    with pytest.raises(TeacherError, match="the tokeniser cuts"):
        Reader(Tokenizer.train(["nothing of this kind"], 300))
