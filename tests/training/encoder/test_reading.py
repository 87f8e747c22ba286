"""Exercises as examples, how far an encoder is from them, and that it learns to be near."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.encoder.tiny import encoder, outspoken, simple
from tests.training.lm.small import collate, fluent
from training.teacher.encoder.reading import EncoderReader, measure
from training.teacher.encoder.spelling import spell
from training.teacher.lm.batch import Example
from training.teacher.lm.drill import Drill
from training.teacher.lm.exercises import KINDS, Exercise, draw
from training.teacher.lm.learn import LanguageLearner, Learning, Measured
from training.teacher.lm.pool import Pool

ONE = Example([5, 6], {0: {0: 0.25}, 1: {0: 0.0, 2: 0.75}})
OTHER = Example([7, 8, 9], {0: {1: 0.7}, 2: {0: 0.3}})


class Fixed(nn.Module):
    """Always gives the same scores ``(B, T, labels)``."""

    def __init__(self, scores: torch.Tensor) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.scores[:, : tokens.shape[1]]


@cache
def exercises() -> list[Exercise]:
    chance = random.Random(5)
    return [draw(chance) for _ in range(60)]


def scores() -> torch.Tensor:
    return torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1))


def measured(of: torch.Tensor, *examples: Example) -> Measured:
    return measure(Fixed(of), collate(examples))


def expected(of: Any, example: Example) -> float:
    """The divergence of one example, a sum in numpy."""
    flat = [
        (of[at, label], share)
        for at, target in example.targets.items()
        for label, share in target.items()
    ]
    whole = np.log(sum(np.exp(score) for score, _ in flat))
    return float(sum(p * (np.log(p) - score + whole) for score, p in flat if p))


def agrees(given: dict[int, float], wanted: dict[int, float]) -> float:
    """Whether scores of one place's labels agree with shares."""
    row = torch.full((1, 1, 3), 9.0)  # of labels that are not asked for
    for label, score in given.items():
        row[0, 0, label] = score
    return float(measured(row, Example([5], {0: wanted})).agreed)


def test_targets_are_the_advice_action_by_action() -> None:
    reader, flows = EncoderReader(fluent()), 0
    for it in exercises():
        example = reader.example(it)
        spelled = spell(it.question, fluent(), KINDS)
        wanted = dict.fromkeys(it.actions, 0.0)
        for (kind, host), share in it.advice.items():
            wanted[f"{kind} {host}" if it.brief.on_hosts and host else kind] += share
        found = {
            action: example.targets[place][label]
            for action, place, label in zip(it.actions, spelled.places, spelled.labels, strict=True)
        }
        assert found == pytest.approx(wanted)
        assert example.tokens == spelled.tokens
        flows += not it.brief.on_hosts
    assert 0 < flows < len(exercises())


def test_targets_sum_to_one_over_all_places() -> None:
    reader = EncoderReader(fluent())
    for it in exercises():
        targets = reader.example(it).targets
        assert sum(sum(target.values()) for target in targets.values()) == pytest.approx(1)
        assert sum(map(len, targets.values())) == len(it.actions)


def test_a_reader_makes_examples_up_from_chance_alone() -> None:
    reader = EncoderReader(fluent())
    examples = [reader(random.Random(seed)) for seed in (1, 1, 2)]
    assert examples[0] == examples[1]
    assert examples[0] != examples[2]


def test_divergences_by_hand() -> None:
    found = measured(scores(), ONE, OTHER)
    by_hand = [expected(scores()[n].numpy(), it) for n, it in enumerate((ONE, OTHER))]
    assert found.kl.tolist() == pytest.approx(by_hand, rel=1e-5, abs=1e-6)
    assert len(found.text) == 0


def test_scores_that_say_the_shares_diverge_by_nothing() -> None:
    # In logarithms, and whatever is added to all of an example's.
    table = torch.full((1, 2, 3), 7.0)
    for at, target in ONE.targets.items():
        for label, share in target.items():
            table[0, at, label] = np.log(max(share, 1e-12)) + 3
    found = measured(table, ONE)
    assert found.kl.item() == pytest.approx(0, abs=1e-6)
    assert found.agreed.item() == 1


@pytest.mark.parametrize("changed", [0, 1])
def test_no_example_changes_what_another_is_given(changed: int) -> None:
    before, other = measured(scores(), ONE, OTHER), scores()
    # So large that a softmax in common, or a highest score in common, would leave nothing.
    other[changed] = 50 * other[changed].flip(0) + 1000
    after, kept = measured(other, ONE, OTHER), 1 - changed
    assert after.kl[kept] == before.kl[kept]
    assert after.agreed[kept] == before.agreed[kept]
    assert after.kl[changed] != before.kl[changed]
    assert after.kl.isfinite().all()


def test_gradients_stay_within_an_example() -> None:
    leaf = scores().requires_grad_()
    measured(leaf, ONE, OTHER).kl[0].backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert leaf.grad[0].any()
    assert not leaf.grad[1].any()
    assert leaf.grad.sum().item() == pytest.approx(0, abs=1e-6)  # as of any softmax


def test_what_is_likeliest_is_what_is_wanted_most() -> None:
    assert agrees({0: 1.0, 1: 2.0}, {0: 0.2, 1: 0.8}) == 1
    assert agrees({0: 2.0, 1: 1.0}, {0: 0.2, 1: 0.8}) == 0


def test_of_several_that_are_wanted_most_any_will_do() -> None:
    wanted = {0: 0.2, 1: 0.4, 2: 0.4}
    assert agrees({0: 1.0, 1: 2.0, 2: 0.0}, wanted) == 1
    assert agrees({0: 1.0, 1: 0.0, 2: 2.0}, wanted) == 1
    assert agrees({0: 2.0, 1: 0.0, 2: 1.0}, wanted) == 0


def test_it_agrees_if_the_best_is_among_equally_likely_ones() -> None:
    assert agrees({0: 1.0, 1: 1.0, 2: 0.0}, {0: 0.2, 1: 0.8, 2: 0.0}) == 1
    assert agrees({0: 1.0, 1: 0.0, 2: 1.0}, {0: 0.2, 1: 0.8, 2: 0.0}) == 0


def test_longer_examples_beside_it_change_nothing() -> None:
    pytest.importorskip("transformers", reason="needs it: pip install 'sluicegate[encoder]'")
    model = outspoken()
    chosen = sorted(
        map(EncoderReader(fluent()).example, exercises()), key=lambda it: len(it.tokens)
    )
    some = [chosen[0], chosen[10], chosen[30]]
    with torch.no_grad():
        together = measure(model, collate(some))
        alone = [measure(model, collate([it])) for it in some]
    assert together.kl.tolist() == pytest.approx([it.kl.item() for it in alone], rel=1e-4)
    assert together.agreed.tolist() == [it.agreed.item() for it in alone]


@pytest.mark.slow
def test_a_tiny_encoder_learns_to_read() -> None:
    pytest.importorskip("transformers", reason="needs it: pip install 'sluicegate[encoder]'")
    reader, chance = EncoderReader(fluent()), random.Random(1)
    learned = Pool.of([reader.example(simple(chance)) for _ in range(1500)])
    asked = [simple(chance) for _ in range(200)]
    held_out = Pool.of([reader.example(it) for it in asked])
    best = Counter(
        action
        for it in asked
        for action, share in it.advice.items()
        if share > 0.999 * max(it.advice.values())
    )
    assert best.most_common(1)[0][1] < 0.35 * len(asked)  # what the best constant answer reaches
    settings = Learning(
        steps=250, learning_rate=3e-3, warm_up=20, schedule="constant", evaluate_every=250
    )
    learner = LanguageLearner(encoder(), Drill(learned, held_out, 32), settings, measure)
    before = learner.evaluate()
    after = learner.iterate()
    assert before["agreement"] < 0.35
    assert after["agreement"] > 0.9
    assert after["held_out_kl"] < 0.2
    assert before["held_out_kl"] > 1
