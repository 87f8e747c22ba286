"""Policy distillation: trained policies into one student, a smaller one as a rule.

The student plays and the teachers look on: it learns what a teacher would do in the states that
its own play leads to (Czarnecki et al. 2019, arXiv 1902.02186), by the divergence of its policy
from the teacher's (Rusu et al. 2015, arXiv 1511.06295). A teacher has a playground of its own, so
that each may have its speciality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from training.env import ResumableEnv
from training.memory import NEVER
from training.networks import ActorCritic
from training.optimise import adam, descend, remaining, set_rate
from training.ppo import sample
from training.settings import Distilling


def kl_from_teacher(
    teacher: torch.Tensor, student: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """Kullback-Leibler divergence of the student's policy from the teacher's, in nats, ``(B,)``.

    What the student never plays it cannot learn, so the teacher's choice is that among the rest:
    its probabilities there, scaled to sum to 1, or the same for all if it would play none of them.

    Args:
        teacher: logits ``(B, A)``; -1e9 and below is never.
        student: logits ``(B, A)``, likewise; one action at least is possible.
        temperature: the teacher's logits are divided by it.
    """
    student = student.clamp(min=NEVER)
    # Below what the teacher never plays, and finite: 0 times a finite logarithm is 0.
    wanted = (teacher / temperature).clamp(min=NEVER).masked_fill(student <= NEVER, 2 * NEVER)
    log_wanted = wanted.log_softmax(1)
    return (log_wanted.exp() * (log_wanted - student.log_softmax(1))).sum(1)


@dataclass
class Examples:
    """``N`` states of the student's play, and what the teacher says of them."""

    obs: torch.Tensor  # (N, F)
    state: torch.Tensor  # (N, S), the student's
    logits: torch.Tensor  # (N, A), the teacher's
    value: torch.Tensor  # (N,), the teacher's

    @classmethod
    def together(cls, parts: Sequence[Examples]) -> Examples:
        """All parts as one."""
        return cls(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def part(self, index: torch.Tensor) -> Examples:
        """Those at ``(M,)`` indices."""
        return Examples(*(getattr(self, f.name)[index] for f in fields(self)))


class _Lesson:
    """A playground with its teacher, and where the student is in it."""

    def __init__(self, env: ResumableEnv, teacher: ActorCritic, student: ActorCritic) -> None:
        self.env, self.teacher, self.student = env, teacher, student
        self._obs = env.reset()
        self._state = self._obs.new_zeros(env.num_envs, student.state_size)
        self._teacher_state = self._obs.new_zeros(env.num_envs, teacher.state_size)
        self._returns = self._obs.new_zeros(env.num_envs)

    @torch.no_grad()
    def play(self, steps: int) -> tuple[Examples, torch.Tensor, torch.Tensor]:
        """Let the student play.

        Returns:
            ``steps * B`` examples, how many episodes ended, and the sum of their returns.
        """
        finished, total = self._obs.new_zeros(()), self._obs.new_zeros(())
        seen = []
        for _ in range(steps):
            obs, state, teacher_state = self._obs, self._state, self._teacher_state
            seen.append((obs, state, teacher_state))
            action = sample(self.student(obs, state)[0], self.env.generator)
            self._obs, reward, terminated, truncated, _ = self.env.step(action)
            ended = terminated | truncated
            goes_on = ~ended[:, None]
            self._state = self.student.remember(obs, state, action) * goes_on
            self._teacher_state = self.teacher.remember(obs, teacher_state, action) * goes_on
            self._returns = self._returns + reward
            finished, total = finished + ended.sum(), total + (self._returns * ended).sum()
            self._returns = self._returns * ~ended
        obs, state, teacher_state = (torch.cat(column) for column in zip(*seen, strict=True))
        return Examples(obs, state, *self.teacher(obs, teacher_state)), finished, total

    def state_dict(self) -> dict[str, Any]:
        """Everything that its next steps depend on, but the generator and the networks."""
        return {
            "env": self.env.state_dict(),
            "obs": self._obs,
            "state": self._state,
            "teacher_state": self._teacher_state,
            "returns": self._returns,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where an equal lesson was."""
        self.env.load_state_dict(saved["env"])
        device = self.env.generator.device
        self._obs, self._state = saved["obs"].to(device), saved["state"].to(device)
        self._teacher_state = saved["teacher_state"].to(device)
        self._returns = saved["returns"].to(device)


class Distillation:
    """One run, a :class:`training.run.Learner`.

    The student's critic learns the teachers' values, so that PPO can go on from the student.

    Args:
        pairs: playgrounds and their teachers. The playgrounds have one generator, the run's only
            source of chance; the teachers are left as they are.
        student: on the same device.
        settings: all numbers.

    Raises:
        ValueError: no pair, or playgrounds with generators of their own.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[ResumableEnv, ActorCritic]],
        student: ActorCritic,
        settings: Distilling,
    ) -> None:
        if len({id(env.generator) for env, _ in pairs}) != 1:
            raise ValueError("playgrounds, at least one, must share one generator")
        self.student, self.settings = student, settings
        self.generator = pairs[0][0].generator
        self.generator.manual_seed(settings.seed)
        self.optimizer = adam(student, settings.learning_rate)
        self.steps_done = 0
        self._lessons = [_Lesson(env, teacher, student) for env, teacher in pairs]

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        return min(1.0, self.steps_done / self.settings.steps)

    def iterate(self) -> dict[str, float]:
        """One rollout in every playground, and updates; returns metrics."""
        played = [lesson.play(self.settings.rollout) for lesson in self._lessons]
        parts, finished, total = zip(*played, strict=True)
        examples = Examples.together(parts)
        metrics = self.update(examples)
        self.steps_done += len(examples.value)
        return {"steps": self.steps_done, "return": float(sum(total) / sum(finished)), **metrics}

    def update(self, examples: Examples) -> dict[str, float]:
        """Improve the student on examples; returns the means of what was measured."""
        settings = self.settings
        share = remaining(settings.schedule, self.progress)
        set_rate(self.optimizer, settings.learning_rate * share)
        size, device = len(examples.value), examples.value.device
        measured: list[dict[str, torch.Tensor]] = []
        for _ in range(settings.epochs):
            order = torch.randperm(size, generator=self.generator, device=device)
            for index in order.chunk(settings.minibatches):
                loss, metrics = self.loss(examples.part(index))
                norm = descend(loss, self.optimizer, settings.max_grad_norm)
                measured.append(metrics | {"grad_norm": norm})
        return {
            name: float(torch.stack([m[name] for m in measured]).mean()) for name in measured[0]
        }

    def loss(self, examples: Examples) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss of a minibatch, and what is worth watching.

        ``kl`` and ``entropy`` are in nats; ``agreement`` is the share of states in which student
        and teacher have the same likeliest action.
        """
        logits, value = self.student(examples.obs, examples.state)
        kl = kl_from_teacher(examples.logits, logits, self.settings.temperature).mean()
        value_loss = ((value - examples.value) ** 2).mean()
        with torch.no_grad():
            log_probs = logits.log_softmax(1)
            metrics = {
                "kl": kl,
                "agreement": (logits.argmax(1) == examples.logits.argmax(1)).float().mean(),
                "entropy": -(log_probs.exp() * log_probs).sum(1).mean(),
                "value_loss": value_loss,
            }
        loss = kl + self.settings.value_weight * value_loss
        return loss, {name: measure.detach() for name, measure in metrics.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run needs to go on bit for bit, but the teachers."""
        return {
            "student": self.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "lessons": [lesson.state_dict() for lesson in self._lessons],
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where another run with the same teachers and settings was."""
        self.student.load_state_dict(saved["student"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.generator.set_state(saved["generator"].cpu())
        for lesson, state in zip(self._lessons, saved["lessons"], strict=True):
            lesson.load_state_dict(state)
        self.steps_done = saved["steps_done"]
