"""Pruning: which units go, and what is left."""

from __future__ import annotations

import pytest
import torch

from export.lessons import divergence
from export.prune import importance, keep, prune, remove
from export.settings import Course, Pruning
from export.student import linears, of_weights, widths_of
from tests.export.students import Drawn, policy

_QUICK = Pruning(rounds=2, course=Course(steps=150, batch=128))


def test_importance_is_what_a_unit_says_times_what_is_made_of_it() -> None:
    student = of_weights(
        [
            (torch.tensor([[1.0], [-1.0], [2.0]]), torch.tensor([0.0, 0.0, 1.0])),
            (torch.tensor([[3.0, 1.0, 0.0], [4.0, 1.0, 0.5]]), torch.zeros(2)),
        ]
    )
    # Of inputs 1 and 3: means 2, 0 (rectified) and 5; outgoing norms 5, sqrt 2 and 0.5.
    (found,) = importance(student, torch.tensor([[1.0], [3.0]]))
    assert found.tolist() == pytest.approx([10.0, 0.0, 2.5])
    assert [each.tolist() for each in keep([found], [2])] == [[0, 2]]


def test_a_unit_that_says_nothing_is_not_missed() -> None:
    student = policy(6, 8, 8, 3)
    first, second, _ = linears(student)
    with torch.no_grad():
        first.bias[3] = -100.0  # never above 0 for inputs within 0 and 1
        second.weight[:, 5] = 0.0
    inputs = torch.rand(500, 6)
    importances = importance(student, inputs)
    left = remove(student, keep(importances, [6, 8]))
    assert widths_of(left) == (6, 6, 8, 3)
    torch.testing.assert_close(left(inputs), student(inputs))


def test_what_is_left_knows_most_of_it_and_the_student_is_as_it_was() -> None:
    teacher = policy(6, 16, 16, 3)
    before = [each.clone() for each in teacher.parameters()]
    lessons = Drawn(teacher, 6)
    left = prune(teacher, lessons, 0.75, _QUICK)
    assert widths_of(left) == (6, 4, 4, 3)
    for mine, its in zip(before, teacher.parameters(), strict=True):
        torch.testing.assert_close(mine, its)
    examples = lessons.draw(2000)
    torn = remove(teacher, keep(importance(teacher, examples.inputs), [4, 4]))
    lost = divergence(examples.logits, torn(examples.inputs), 1.0).mean()
    learned = divergence(examples.logits, left(examples.inputs), 1.0).mean()
    assert learned < lost / 4


def test_a_unit_is_always_left() -> None:
    teacher = policy(4, 5, 3)
    assert widths_of(prune(teacher, Drawn(teacher, 4), 0.99, _QUICK)) == (4, 1, 3)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    teacher = policy(4, 5, 3)
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        prune(teacher, Drawn(teacher, 4), share, _QUICK)
