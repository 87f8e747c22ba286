"""A teacher's guidance of PPO: an action mask, an auxiliary loss, and how both fade.

The method of arXiv 2509.05311. While a teacher guides, actions are drawn from the policy times a
mask of the teacher's advice, and the policy's loss is mixed with a divergence from the advice. The
mask is *inference-only*: the probabilities that PPO compares are those of the policy alone, so that
the policy moves towards what the mask let it find to be good.

All arithmetic is in functions of tensors; :class:`Guide` keeps what a run needs from one rollout to
the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import torch

from training.env import VectorEnv
from training.memory import Memory
from training.optimise import remaining
from training.settings import Guidance
from training.teacher.teacher import Teacher

_LEAST: Final = 1e-6  # probability below which advice means "never", so that logarithms are finite
_WATCHED: Final = 8  # environments that are compared with the teacher once it has let go,
_EVERY: Final = 10  # in every so many rollouts,
_LOOKS: Final = 4  # so many times a rollout


def soften(
    advice: torch.Tensor, allowed: torch.Tensor, temperature: float, smoothing: float
) -> torch.Tensor:
    """Advice over the allowed actions only, tempered and smoothed.

    Args:
        advice: ``(B, A)`` probabilities.
        allowed: ``(B, A)`` bool; at least one in every row.
        temperature: probabilities are taken to its inverse's power.
        smoothing: share that is spread evenly over the allowed actions (Szegedy et al. 2015,
            arXiv 1512.00567, section 7).

    Returns:
        ``(B, A)``, rows sum to 1; even where none of the advice is allowed.
    """
    even = allowed / allowed.sum(1, keepdim=True)
    kept = (advice * allowed) ** (1 / temperature)
    total = kept.sum(1, keepdim=True)
    kept = torch.where(total > 0, kept / total.clamp(min=torch.finfo(kept.dtype).tiny), even)
    return (1 - smoothing) * kept + smoothing * even


def mask(advice: torch.Tensor, strength: float) -> torch.Tensor:
    """What each action's probability is multiplied by, ``(B, A)`` in [0, 1].

    The teacher's favourite keeps its probability; one that the teacher would never take keeps
    ``1 - strength`` of it. For advice of a single action this is the released code's mask.
    """
    return 1 - strength + strength * advice / advice.amax(1, keepdim=True)


def masked(log_probs: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Log-probabilities ``(B, A)`` of the behaviour: policy times mask, normalised."""
    return (log_probs + factor.log()).log_softmax(1)


def correction(
    log_probs: torch.Tensor, behaviour: torch.Tensor, action: torch.Tensor
) -> torch.Tensor:
    """Importance weights ``(B,)``: policy over behaviour, of the actions drawn.

    Averages over the behaviour's samples with these weights are averages over the policy's own.
    """
    chosen = action[:, None]
    return (log_probs.gather(1, chosen) - behaviour.gather(1, chosen)).exp()[:, 0]


def divergence(kind: str, advice: torch.Tensor, log_probs: torch.Tensor) -> torch.Tensor:
    """How far a policy is from the advice, ``(B,)`` nats, never negative.

    Args:
        kind: ``forward`` is KL(advice ‖ policy), ``reverse`` is KL(policy ‖ advice),
            ``jensen-shannon`` is the mean of both to their mixture, and ``argmax`` is the
            cross-entropy of the advice's best action: the paper's first form, a single
            recommendation.
        advice: ``(B, A)`` probabilities.
        log_probs: ``(B, A)`` of the policy, finite.
    """
    probs = log_probs.exp()
    if kind == "argmax":
        return -log_probs.gather(1, advice.argmax(1, keepdim=True))[:, 0]
    if kind == "forward":
        return (torch.xlogy(advice, advice) - advice * log_probs).sum(1)
    if kind == "reverse":
        return (probs * (log_probs - advice.clamp(min=_LEAST).log())).sum(1)
    mean = ((advice + probs) / 2).clamp(min=torch.finfo(probs.dtype).tiny).log()
    to_mean = torch.xlogy(advice, advice) - advice * mean + probs * (log_probs - mean)
    return to_mean.sum(1) / 2


def overlap(advice: torch.Tensor, log_probs: torch.Tensor) -> torch.Tensor:
    """Agreement ``(B,)`` in [0, 1]: one minus the total variation distance."""
    return torch.minimum(advice, log_probs.exp()).sum(1)


def faded(settings: Guidance, episodes: int, agreement: float, before: float) -> float:
    """How much of the guidance is left, in [0, 1].

    ``steps`` falls by ``decay`` at ``full_until`` and after every further ``interval`` episodes;
    ``linear`` and ``cosine`` begin there and end when the last step would have been over;
    ``agreement`` is what is missing from the agreement that is enough, and never grows again.

    Args:
        settings: of the guidance.
        episodes: that have ended so far.
        agreement: overlap of teacher and policy, in [0, 1].
        before: how much was left so far.
    """
    past = episodes - settings.full_until
    if past < 0:
        return 1.0
    if settings.fade == "agreement":
        over = episodes >= settings.guided_at_most
        return 0.0 if over else min(before, max(0.0, 1 - agreement / settings.agreed))
    if settings.fade == "steps":
        # Rounded: three steps of 0.1 are 0.3 and not a little more.
        return max(0.0, round(1 - settings.decay * (past // settings.interval + 1), 9))
    return remaining(settings.fade, past * settings.decay / settings.interval)


class Guide:
    """Advice beside one training run; who gives it, subclasses say.

    Args:
        settings: how it is used.
    """

    def __init__(self, settings: Guidance) -> None:
        self.settings = settings
        self.left = 1.0  # how much of the guidance
        self.agreement = 0.0  # mean overlap in the last rollout that was compared
        self.asked = 0  # states that the teacher was asked about so far
        self._rollouts = self._step = self._steps = 0
        self._overlaps: list[torch.Tensor] = []

    @property
    def mask(self) -> float:
        """Strength of the mask now."""
        return self.settings.mask * self.left

    @property
    def auxiliary(self) -> float:
        """Share of the auxiliary loss now."""
        return self.settings.auxiliary * self.left

    @property
    def entropy_rise(self) -> float:
        """What is added to the weight of the entropy bonus: a bit for each step down."""
        return self.settings.entropy_rise * (1 - self.left) / self.settings.decay

    @property
    def guides(self) -> bool:
        """Whether it still has a say."""
        return self.mask > 0 or self.auxiliary > 0

    def begin(self, episodes: int, steps: int) -> None:
        """A rollout of so many steps begins, after so many episodes."""
        if self._overlaps:
            self.agreement = float(torch.cat(self._overlaps).mean())
        self._overlaps = []
        self.left = faded(self.settings, episodes, self.agreement, self.left)
        self._rollouts += 1
        self._step, self._steps = -1, steps

    def attend(
        self, env: VectorEnv, memory: Memory, state: torch.Tensor, log_probs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """A step of the rollout.

        Args:
            env: the playground.
            memory: the policy's.
            state: ``(B, S)`` what it remembers.
            log_probs: ``(B, A)`` what the policy alone would do.

        Returns:
            Log-probabilities ``(B, A)`` of what is to be done, and the advice ``(B, A)``; none once
            the teacher has let go.
        """
        self._step += 1
        if self.guides:
            advice = self._ask(env, memory, state, log_probs, env.num_envs)
            return masked(log_probs, mask(advice, self.mask)), advice
        # A teacher may be slow: the policy is compared with its former one now and then only.
        if self._rollouts % _EVERY == 0 and self._step % math.ceil(self._steps / _LOOKS) == 0:
            self._ask(env, memory, state, log_probs, min(env.num_envs, _WATCHED))
        return log_probs, None

    def advise(
        self, env: VectorEnv, memory: Memory, state: torch.Tensor, log_probs: torch.Tensor
    ) -> torch.Tensor:
        """Advice for the first environments.

        Args:
            env: the playground.
            memory: the policy's.
            state: ``(n, S)`` what it remembers in these ``n`` environments.
            log_probs: ``(n, A)`` what the policy alone would do there.

        Returns:
            ``(n, A)``, rows sum to 1.
        """
        raise NotImplementedError

    def metrics(self) -> dict[str, float]:
        """Of the last rollout; the agreement is not a number where nobody looked."""
        looked = torch.cat(self._overlaps).mean() if self._overlaps else math.nan
        return {
            "mask": self.mask,
            "auxiliary": self.auxiliary,
            "agreement": float(looked),
            "asked": self.asked,
        }

    def _ask(
        self,
        env: VectorEnv,
        memory: Memory,
        state: torch.Tensor,
        log_probs: torch.Tensor,
        count: int,
    ) -> torch.Tensor:
        """Advice for the first ``count`` environments, and how far the policy agrees."""
        advice = self.advise(env, memory, state[:count], log_probs[:count])
        self.asked += count
        allowed = (env.action_mask() & memory.useful(state))[:count]
        advice = soften(advice, allowed, self.settings.temperature, self.settings.smoothing)
        self._overlaps.append(overlap(advice, log_probs[:count]).cpu())
        return advice

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next rollouts depend on, but the teacher."""
        return {
            "left": self.left,
            "agreement": self.agreement,
            "asked": self.asked,
            "rollouts": self._rollouts,
            "overlaps": self._overlaps,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where another guide was."""
        self.left, self.agreement = saved["left"], saved["agreement"]
        self.asked, self._rollouts = saved["asked"], saved["rollouts"]
        self._overlaps = saved["overlaps"]


class TeacherGuide(Guide):
    """A teacher that is told states in words.

    Args:
        teacher: gives the advice.
        settings: how it is used.
    """

    def __init__(self, teacher: Teacher, settings: Guidance) -> None:
        super().__init__(settings)
        self.teacher = teacher

    def advise(
        self, env: VectorEnv, memory: Memory, state: torch.Tensor, log_probs: torch.Tensor
    ) -> torch.Tensor:
        """What the teacher says of each state, ``(n, A)``."""
        remembered = state.cpu()
        texts = [memory.recall(env.describe(i), each) for i, each in enumerate(remembered)]
        return self.teacher.distribution(texts).to(state.device)
