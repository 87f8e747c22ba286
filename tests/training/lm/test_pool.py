"""Batches out of flat tensors are those that are put together one number after the other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.lm.small import collate, same
from training.errors import TeacherError
from training.teacher.lm.batch import Example
from training.teacher.lm.pool import Cutter, Pool

SHARES = st.dictionaries(
    st.integers(0, 20), st.floats(0, 1, width=32, exclude_min=True), min_size=1, max_size=4
)


@st.composite
def examples(draw: st.DrawFn, fewest: int = 1) -> Example:
    """With three targets at most."""
    tokens = draw(st.lists(st.integers(0, 30), min_size=1, max_size=8))
    places = st.integers(0, len(tokens) - 1)
    return Example(tokens, draw(st.dictionaries(places, SHARES, min_size=fewest, max_size=3)))


def of_lengths(*lengths: int) -> Pool:
    """Examples whose tokens are their number, counted from 1."""
    return Pool.of([Example([n] * length, {0: {n: 1.0}}) for n, length in enumerate(lengths, 1)])


MIXED = [1 + 7 * n % 50 for n in range(300)]


def test_a_batch_by_hand() -> None:
    pool = Pool.of([Example([8, 9], {1: {3: 0.25, 4: 0.75}, 0: {2: 1.0}}), Example([5, 6, 7], {})])
    batch = Cutter(pool).batch(torch.tensor([1, 0]))
    assert batch.tokens.tolist() == [[5, 6, 7], [8, 9, 0]]
    assert batch.marked.tolist() == [4, 3]
    assert batch.targets(5).tolist() == [[0, 0, 0, 0.25, 0.75], [0, 0, 1, 0, 0]]
    assert len(batch.places) == len(batch.following) == 0


@given(st.lists(examples(fewest=0), max_size=6), examples(), st.data())
def test_a_batch_is_its_examples_side_by_side(
    others: list[Example], one: Example, data: st.DataObject
) -> None:
    every = [*others, one]
    numbers = data.draw(st.lists(st.integers(0, len(others)), min_size=1, max_size=9))
    batch = Cutter(Pool.of(every)).batch(torch.tensor(numbers))
    assert same(batch, collate([every[number] for number in numbers]))


@given(st.lists(st.lists(examples(), min_size=1, max_size=3), min_size=1, max_size=4))
def test_parts_that_are_joined_are_the_whole(parts: list[list[Example]]) -> None:
    joined = Pool.joined([Pool.of(part) for part in parts])
    whole = [example for part in parts for example in part]
    assert same(joined, Pool.of(whole))
    assert len(joined) == len(whole)


def test_every_example_is_drawn_about_as_often_as_any_other() -> None:
    cutter, generator = Cutter(of_lengths(*MIXED)), torch.Generator().manual_seed(1)
    batches = [cutter.of_like_length(4, generator) for _ in range(3000)]
    drawn = torch.cat([batch.tokens[:, 0] for batch in batches]).bincount(minlength=301)[1:]
    assert drawn.sum() == 3000 * 4
    shorter = drawn[torch.tensor(MIXED) < 48]  # the last group is smaller, so those are not alike
    assert drawn.min() > 0
    assert shorter.min() > 40 / 2
    assert shorter.max() < 40 * 2


def test_examples_that_are_drawn_together_are_about_as_long() -> None:
    cutter, generator = Cutter(of_lengths(*MIXED)), torch.Generator().manual_seed(1)
    batches = [cutter.of_like_length(4, generator).tokens for _ in range(500)]
    filled = sum(int((batch == 0).sum()) for batch in batches)
    assert filled < 0.1 * sum(batch.numel() for batch in batches)


def test_few_examples_are_one_group() -> None:
    cutter, generator = Cutter(of_lengths(1, 9)), torch.Generator().manual_seed(1)
    assert {cutter.of_like_length(3, generator).tokens.shape for _ in range(30)} == {(3, 1), (3, 9)}


def test_what_is_drawn_depends_on_the_generator_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    first = Cutter(of_lengths(*MIXED))
    first.of_like_length(4, generator)
    state = generator.get_state()
    after = [first.of_like_length(4, generator) for _ in range(3)]
    generator.set_state(state)
    other = Cutter(of_lengths(*MIXED))
    again = [other.of_like_length(4, generator) for _ in range(3)]
    assert all(map(same, after, again))
    assert not same(after[0], after[1])


def test_groups_by_hand() -> None:
    found = Cutter(of_lengths(9, 3, 3, 30, 4, 3, 10)).within_budget(20)
    assert [batch.tokens[:, 0].tolist() for batch in found] == [[2, 3, 6, 5], [1, 7], [4]]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=20), st.integers(1, 40))
def test_groups_hold_every_example_once_and_keep_within_the_budget(
    lengths: list[int], budget: int
) -> None:
    found = Cutter(of_lengths(*lengths)).within_budget(budget)
    numbers = torch.cat([batch.tokens[:, 0] for batch in found])
    assert sorted(numbers.tolist()) == [*range(1, len(lengths) + 1)]
    assert all(batch.tokens.numel() <= budget or len(batch.tokens) == 1 for batch in found)


@pytest.mark.parametrize("nothing", [[], [Example([1, 2], {})]])
def test_examples_without_anything_to_learn_are_refused(nothing: list[Example]) -> None:
    with pytest.raises(TeacherError, match="without anything to learn: give them targets"):
        Pool.of(nothing)


@pytest.mark.parametrize("place", [2, -1])
def test_a_target_beyond_the_end_is_refused(place: int) -> None:
    wrong = Example([1, 2], {place: {0: 1.0}})
    with pytest.raises(TeacherError, match=rf"targets at \[{place}\] of 2 tokens: cut fewer"):
        Pool.of([Example([1], {0: {0: 1.0}}), wrong])
