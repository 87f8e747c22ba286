"""Divergences by hand, students that learn what their teachers know, and runs that repeat."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import pytest
import torch
from torch import nn

from tests.training.tasks import SYMBOLS, FirstSight, Identity, Recall
from training.distill import Distillation, Examples, kl_from_teacher
from training.memory import Memory
from training.networks import ActorCritic, FlatActorCritic
from training.settings import Distilling

NEVER = -1e9
HALVES, QUARTER = [0.5, 0.5], [0.25, 0.75]


class Knowing(ActorCritic):
    """Says what it saw first in an episode, nearly always; its value is the symbol's number."""

    def __init__(self, num_features: int) -> None:
        super().__init__(FirstSight(num_features, SYMBOLS))

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first = torch.where(state.any(1, keepdim=True), state, obs)[:, :SYMBOLS]
        return first * 5, first.argmax(1).float()


class Seeing(Knowing):
    """Says what it sees."""

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return super().forward(obs, torch.zeros_like(state))


class Low(Identity):
    """Shows the first two symbols only."""

    def draw(self) -> torch.Tensor:
        return super().draw() % 2


class High(Identity):
    """Shows the last two symbols only."""

    def draw(self) -> torch.Tensor:
        return super().draw() % 2 + 2


class Narrow(Seeing):
    """Knows one of those pairs, and is wrong about the other."""

    def __init__(self, known: int) -> None:
        super().__init__(SYMBOLS)
        self.known = known

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits, value = super().forward(obs, state)
        right = (obs.argmax(1) // 2 == self.known)[:, None]
        return torch.where(right, logits, logits.flip(1)), value


def make(
    task: type[Identity] = Recall, memory: type[Memory] = FirstSight, **changes: Any
) -> tuple[Distillation, FlatActorCritic]:
    """One teacher, its student, and their run of a few iterations."""
    generator = torch.Generator()
    teacher = Knowing if task is Recall else Seeing
    quick: dict[str, Any] = {
        "num_envs": 16, "rollout": 10, "steps": 160 * 30, "learning_rate": 0.01, "minibatches": 2,
    }  # fmt: skip
    settings = Distilling(**quick | changes)
    pairs = [(task(generator, settings.num_envs), teacher(task.num_features))]
    torch.manual_seed(settings.seed)
    student = FlatActorCritic(memory(task.num_features, SYMBOLS), [16])
    return Distillation(pairs, student, settings), student


def train(learner: Distillation) -> list[dict[str, float]]:
    rows = []
    while learner.progress < 1:
        rows.append(learner.iterate())
    return rows


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def logits(probabilities: list[float]) -> torch.Tensor:
    return torch.tensor([probabilities]).log().clamp(min=NEVER) + 3.0 * (max(probabilities) < 1)


@pytest.mark.parametrize(
    ("teacher", "student", "expected"),
    [
        (HALVES, HALVES, 0.0),
        (HALVES, QUARTER, 0.5 * math.log(2) + 0.5 * math.log(2 / 3)),
        (QUARTER, HALVES, 0.25 * math.log(0.5) + 0.75 * math.log(1.5)),  # not symmetric
        ([1.0, 0.0], QUARTER, math.log(4)),  # 0 times the logarithm of 0 is 0
        ([1.0, 0.0], [1.0, 0.0], 0.0),
        ([0.5, 0.25, 0.25], [0.0, 0.5, 0.5], 0.0),  # 1/2 and 1/2 of what the student can play
        ([0.25, 0.25, 0.5], [0.25, 0.75, 0.0], 0.5 * math.log(2) + 0.5 * math.log(2 / 3)),
        ([1.0, 0.0, 0.0], [0.0, 0.5, 0.5], 0.0),  # nothing is left: any action is as good
    ],
)
def test_kl_by_hand(teacher: list[float], student: list[float], expected: float) -> None:
    found = kl_from_teacher(logits(teacher), logits(student))
    torch.testing.assert_close(found, torch.tensor([expected]), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("temperature", "share"), [(1.0, 0.8), (2.0, 2 / 3), (0.5, 16 / 17)])
def test_temperature_is_the_teachers(temperature: float, share: float) -> None:
    found = kl_from_teacher(logits([0.8, 0.2]), logits(HALVES), temperature)
    expected = math.log(2) + share * math.log(share) + (1 - share) * math.log(1 - share)
    assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("never", [NEVER, -math.inf])
@pytest.mark.parametrize("temperature", [0.01, 1.0, 5.0])
def test_masked_actions_keep_kl_from_teacher_and_gradient_finite(
    never: float, temperature: float
) -> None:
    teacher = torch.tensor([[1.0, never, never, 0.0], [never, never, never, 1.0]])
    student = torch.tensor([[0.5, never, 2.0, 3.0], [1.0, 2.0, 0.0, never]], requires_grad=True)
    found = kl_from_teacher(teacher, student, temperature)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert (found >= 0).all()
    assert found.max() < 1e3
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_gradient_is_the_difference_of_the_policies() -> None:
    student = logits(QUARTER).requires_grad_()
    kl_from_teacher(logits(HALVES), student).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(student.grad, torch.tensor([[-0.25, 0.25]]))


def test_loss_by_hand() -> None:
    learner, _ = make(value_weight=0.25)

    def student(obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return logits(QUARTER).expand(2, -1), torch.tensor([1.0, 2.0])

    learner.student = student  # type: ignore[assignment]
    wanted = torch.cat([logits(HALVES), logits([0.0, 1.0])])
    nothing = torch.zeros(2, 1)
    loss, metrics = learner.loss(Examples(nothing, nothing, wanted, torch.tensor([1.0, 0.0])))
    kl = (0.5 * math.log(2) + 0.5 * math.log(2 / 3) + math.log(4 / 3)) / 2
    entropy = 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    expected = {"kl": kl, "agreement": 0.5, "entropy": entropy, "value_loss": 2.0}
    assert {name: float(value) for name, value in metrics.items()} == pytest.approx(expected)
    assert float(loss) == pytest.approx(kl + 0.25 * 2.0)


@pytest.mark.parametrize("task", [Identity, Recall])
def test_a_student_learns_its_teachers_policy(task: type[Identity]) -> None:
    learner, _ = make(task)
    rows = train(learner)
    assert rows[-1]["agreement"] > 0.99
    assert rows[-1]["kl"] < 0.02
    assert rows[0]["kl"] > 0.2
    assert rows[-1]["value_loss"] < 0.1 < rows[0]["value_loss"]


def test_a_student_without_memory_cannot_follow_a_teacher_that_recalls() -> None:
    learner, _ = make(memory=Memory)
    assert 0.3 < train(learner)[-1]["agreement"] < 0.7  # a quarter of the states, and luck


def test_the_student_plays_and_not_the_teacher() -> None:
    learner, student = make(Identity, rollout=8, num_envs=64)
    with torch.no_grad():
        student.actor[-1].bias.copy_(torch.tensor([50.0, 0.0, 0.0, 0.0]))  # says 0 always
    assert learner.iterate()["return"] == pytest.approx(8 / 4, abs=0.5)


def test_return_is_not_a_number_where_no_episode_ended() -> None:
    learner, _ = make(Identity, rollout=5, steps=160)
    assert math.isnan(learner.iterate()["return"])
    assert learner.iterate()["return"] >= 0


def test_two_teachers_teach_what_each_knows() -> None:
    generator = torch.Generator()
    settings = Distilling(num_envs=16, rollout=8, steps=256 * 20, learning_rate=0.01, minibatches=4)
    student = FlatActorCritic(Memory(SYMBOLS, SYMBOLS), [16])
    pairs = [(Low(generator), Narrow(0)), (High(generator), Narrow(1))]
    rows = train(Distillation(pairs, student, settings))
    assert [row["steps"] for row in rows] == [256 * n for n in range(1, 21)]
    said = student(torch.eye(SYMBOLS), torch.zeros(SYMBOLS, 1))[0].argmax(1)
    assert said.tolist() == list(range(SYMBOLS))


def test_teachers_are_left_as_they_are() -> None:
    generator, teacher = torch.Generator(), FlatActorCritic(Memory(SYMBOLS, SYMBOLS), [4])
    before, student = copy.deepcopy(teacher), FlatActorCritic(Memory(SYMBOLS, SYMBOLS), [4])
    settings = Distilling(num_envs=16, rollout=4, steps=64 * 3, minibatches=2)
    train(Distillation([(Identity(generator), teacher)], student, settings))
    assert same_weights(before, teacher)
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_playgrounds_with_generators_of_their_own_are_refused() -> None:
    student = FlatActorCritic(Memory(SYMBOLS, SYMBOLS), [4])
    pairs = [(Identity(torch.Generator()), Narrow(0)) for _ in range(2)]
    for some in (pairs, []):
        with pytest.raises(ValueError, match="one generator"):
            Distillation(some, student, Distilling())


@pytest.mark.parametrize(
    ("schedule", "left"), [("constant", 1), ("linear", 0.25), ("cosine", 0.146447)]
)
def test_learning_rate_schedule(schedule: str, left: float) -> None:
    learner, _ = make(schedule=schedule, steps=160 * 4, learning_rate=0.01)
    train(learner)
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * left, rel=1e-4)


def test_the_same_seed_makes_the_same_run() -> None:
    (one, student), (other, twin) = make(steps=160 * 3), make(steps=160 * 3)
    third, _ = make(steps=160 * 3, seed=2)
    rows = repr(train(one))
    torch.manual_seed(99)
    assert repr(train(other)) == rows
    assert repr(train(third)) != rows
    assert same_weights(student, twin)


@pytest.mark.parametrize("task", [Identity, Recall])
def test_a_run_goes_on_bit_for_bit(task: type[Identity]) -> None:
    (whole, student), (first, _), (second, twin) = (make(task, steps=160 * 7) for _ in range(3))
    rows = [first.iterate() for _ in range(3)]  # episodes are running
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert repr(rows + train(second)) == repr(train(whole))
    assert same_weights(student, twin)
