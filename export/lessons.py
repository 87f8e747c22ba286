"""What a student learns from: inputs of a policy, and what the policy makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from export.settings import Course
from training.distill import kl_from_teacher
from training.memory import NEVER
from training.optimise import adam, descend, remaining, set_rate


@dataclass(frozen=True, slots=True)
class Examples:
    """``N`` states.

    Attributes:
        inputs: ``(N, I)`` of the actor, observation and memory.
        logits: ``(N, A)`` of the policy; -1e9 and below is out of the question.
    """

    inputs: torch.Tensor
    logits: torch.Tensor


class Lessons(Protocol):
    """Where examples come from."""

    def draw(self, count: int) -> Examples:
        """So many examples, from the lessons' own source of chance."""


def divergence(wanted: torch.Tensor, found: torch.Tensor, temperature: float) -> torch.Tensor:
    """How far a student's policy is from the one that it learns, nats, ``(N,)``.

    The softened divergence of Hinton et al. 2015 (arXiv 1503.02531), scaled by the square of the
    temperature so that gradients keep their size. What is out of the question counts for nothing.

    Args:
        wanted: logits ``(N, A)``.
        found: the student's ``(N, A)``.
        temperature: of both.
    """
    found = found.masked_fill(wanted <= NEVER, NEVER)
    return kl_from_teacher(wanted / temperature, found / temperature) * temperature**2


def learn(
    student: nn.Module,
    lessons: Lessons,
    course: Course,
    show: Callable[[int], object] = lambda _: None,
) -> float:
    """Let a student learn; the mean divergence over the last tenth of the steps, nats.

    Args:
        student: inputs ``(N, I)`` to logits ``(N, A)``.
        lessons: to learn from.
        course: how.
        show: called with the steps that are done.
    """
    optimizer = adam(student, course.learning_rate)
    last: list[torch.Tensor] = []
    for step in range(course.steps):
        share = remaining("cosine", step / course.steps)
        set_rate(optimizer, course.learning_rate * share)
        examples = lessons.draw(course.batch)
        loss = divergence(examples.logits, student(examples.inputs), course.temperature).mean()
        descend(loss, optimizer, max_grad_norm=1.0)
        if step >= course.steps * 9 // 10:
            last.append(loss.detach())
        show(step + 1)
    return float(torch.stack(last).mean())
