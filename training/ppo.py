"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) on a ``VectorEnv``.

The whole loop runs on the playground's device. The policy's memory is part of the rollout: its
state is stored with each step, so that updates need no recurrence. A teacher may guide the run
(:mod:`training.guidance`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import torch

from training.env import ResumableEnv, Transition
from training.guidance import Guide, correction, divergence
from training.networks import ActorCritic
from training.optimise import adam, descend, remaining, set_rate
from training.settings import Settings

_SHARP: Final = math.log(0.99)  # a policy is too sure of itself beyond this (arXiv 2509.05311)


@dataclass
class Rollout:
    """``T`` steps of ``B`` environments; tensors ``(T, B, …)``, on the device."""

    obs: torch.Tensor
    state: torch.Tensor
    reward: torch.Tensor  # scaled; after a step limit that is no end, with the value beyond it
    ended: torch.Tensor  # bool
    action: torch.Tensor
    log_prob: torch.Tensor
    value: torch.Tensor
    advice: torch.Tensor | None = None  # the teacher's probabilities, while it guides
    weight: torch.Tensor | None = None  # of each sample, where the mask is corrected for

    def flat(self) -> dict[str, torch.Tensor]:
        """All steps as one batch ``(T * B, …)``."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: x.flatten(0, 1) for name, x in columns.items() if x is not None}


def advantages(
    rollout: Rollout, last_value: torch.Tensor, gamma: float, gae_lambda: float
) -> torch.Tensor:
    """Generalised advantage estimates ``(T, B)`` (Schulman et al. 2015, arXiv 1506.02438).

    Args:
        rollout: rewards, values, and where episodes ended.
        last_value: ``(B,)`` the value of what follows the last step.
        gamma: discount.
        gae_lambda: weight of longer estimates.
    """
    result = torch.empty_like(rollout.value)
    ahead = torch.zeros_like(last_value)
    following = last_value
    for t in reversed(range(len(rollout.value))):
        goes_on = (~rollout.ended[t]).float()
        surprise = rollout.reward[t] + gamma * following * goes_on - rollout.value[t]
        ahead = surprise + gamma * gae_lambda * goes_on * ahead
        result[t], following = ahead, rollout.value[t]
    return result


class PPO:
    """One training run.

    Args:
        env: the playground; its generator is the run's only source of chance.
        network: the policy and its critic, on the same device.
        settings: all numbers.
        guide: a teacher, with how it is listened to.
    """

    def __init__(
        self,
        env: ResumableEnv,
        network: ActorCritic,
        settings: Settings,
        guide: Guide | None = None,
    ) -> None:
        self.env, self.network, self.settings, self.guide = env, network, settings, guide
        self.generator = env.generator
        self.optimizer = adam(network, settings.learning_rate)
        self.steps_done = 0
        self.episodes = 0
        self._obs = env.reset(settings.seed)
        self._state = self._obs.new_zeros(env.num_envs, network.state_size)
        self._returns = self._obs.new_zeros(env.num_envs)

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        return min(1.0, self.steps_done / self.settings.steps)

    def iterate(self) -> dict[str, float]:
        """One rollout and its updates; returns metrics."""
        rollout, last_value, finished = self.collect()
        metrics = self.update(rollout, last_value)
        if self.guide:
            metrics |= self.guide.metrics()
        self.steps_done += rollout.reward.numel()
        counts = {"steps": self.steps_done, "episodes": self.episodes}
        return counts | {"return": finished} | metrics

    @torch.no_grad()
    def collect(self) -> tuple[Rollout, torch.Tensor, float]:
        """Play ``rollout`` steps.

        Returns:
            The steps, the value ``(B,)`` of what follows, and the mean return of the episodes that
            ended (not a number if none did).
        """
        settings, steps = self.settings, []
        finished, total = self._obs.new_zeros(()), self._obs.new_zeros(())
        if self.guide:
            self.guide.begin(self.episodes, settings.rollout)
        for _ in range(settings.rollout):
            obs, state = self._obs, self._state
            action, *chosen = self._act(obs, state)
            self._obs, reward, terminated, truncated, info = self.play(action)
            ended = terminated | truncated
            state_after = self.network.remember(obs, state, action)
            scaled = self.scaled(reward)
            if not settings.limit_is_end:
                beyond = self.network(info["final_obs"], state_after)[1]
                scaled = scaled + settings.gamma * beyond * (truncated & ~terminated)
            self._state = state_after * ~ended[:, None]
            self._returns = self._returns + reward
            finished, total = finished + ended.sum(), total + (self._returns * ended).sum()
            self._returns = self._returns * ~ended
            steps.append((obs, state, scaled, ended, action, *chosen))
        self.episodes += int(finished)
        rollout = Rollout(*map(_stacked, zip(*steps, strict=True)))
        return rollout, self.network(self._obs, self._state)[1], float(total / finished)

    def play(self, action: torch.Tensor) -> Transition:
        """Act once in every environment; who wants to measure more than PPO does looks here."""
        return self.env.step(action)

    def scaled(self, reward: torch.Tensor) -> torch.Tensor:
        """What is learned from, ``(B,)``."""
        return reward * self.settings.reward_scale

    def _act(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[Any, ...]:
        """Actions, and what updates need to know of them: a rollout's columns from there on."""
        logits, value = self.network(obs, state)
        log_probs = logits.log_softmax(1)
        played, advice, weight = log_probs, None, None
        if self.guide:
            played, advice = self.guide.attend(self.env, self.network.memory, state, log_probs)
        action = sample(played, self.generator)
        if self.guide and self.guide.settings.correction and advice is not None:
            weight = correction(log_probs, played, action)
        # The mask is inference-only: what updates compare with is the policy's own probability.
        log_prob = log_probs.gather(1, action[:, None])[:, 0]
        return action, log_prob, value, advice, weight

    def update(self, rollout: Rollout, last_value: torch.Tensor) -> dict[str, float]:
        """Improve the network on a rollout; returns the means of what was measured."""
        settings = self.settings
        share = remaining(settings.schedule, self.progress)
        set_rate(self.optimizer, settings.learning_rate * share)
        advantage = advantages(rollout, last_value, settings.gamma, settings.gae_lambda)
        batch = rollout.flat() | {"advantage": advantage.flatten()}
        batch["target"] = batch["advantage"] + batch["value"]
        size = len(batch["target"])
        measured: list[dict[str, torch.Tensor]] = []
        imitated = self.guide if self.guide and self.guide.auxiliary > 0 else None
        for _ in range(imitated.settings.passes if imitated else settings.epochs):
            order = torch.randperm(size, generator=self.generator, device=last_value.device)
            for part in order.chunk(settings.minibatches):
                loss, metrics = self.loss({name: values[part] for name, values in batch.items()})
                norm = descend(loss, self.optimizer, settings.max_grad_norm)
                measured.append(metrics | {"grad_norm": norm})
            # What passes rely on is the policy's own experience. Imitation does not, and has far
            # to go.
            moved = float(measured[-1]["kl"])
            if settings.target_kl and not imitated and moved > settings.target_kl:
                break
        means = {name: torch.stack([m[name] for m in measured]).mean() for name in measured[0]}
        return {name: float(mean) for name, mean in means.items()} | {"updates": len(measured)}

    def loss(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss of a minibatch, and what is worth watching."""
        settings = self.settings
        logits, value = self.network(batch["obs"], batch["state"])
        log_probs = logits.log_softmax(1)
        log_ratio = log_probs.gather(1, batch["action"][:, None])[:, 0] - batch["log_prob"]
        ratio = log_ratio.exp()
        advantage = batch["advantage"]
        # The deviation of a single sample is not a number.
        advantage = (advantage - advantage.mean()) / (advantage.std().nan_to_num() + 1e-8)
        clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
        surrogate = torch.minimum(ratio * advantage, clipped * advantage)
        policy_loss = -(surrogate * batch.get("weight", 1.0)).mean()
        value_loss = self._value_loss(value, batch)
        entropy = -(log_probs.exp() * log_probs).sum(1).mean()
        own = policy_loss - self._entropy_weight() * entropy
        loss = self._with_advice(own, log_probs, batch) + settings.value_weight * value_loss
        with torch.no_grad():
            metrics = {
                "policy_loss": policy_loss,
                "value_loss": value_loss,
                "entropy": entropy,
                "sharp": (log_probs.amax(1) > _SHARP).float().mean(),
                # http://joschu.net/blog/kl-approx.html: unbiased, and never negative.
                "kl": (ratio - 1 - log_ratio).mean(),
                "clipped": ((ratio - 1).abs() > settings.clip).float().mean(),
            }
        return loss, {name: value.detach() for name, value in metrics.items()}

    def _with_advice(
        self, own: torch.Tensor, log_probs: torch.Tensor, batch: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """The policy's own loss, mixed with the auxiliary one while a teacher guides."""
        if self.guide is None or "advice" not in batch:
            return own
        share = self.guide.auxiliary
        far = divergence(self.guide.settings.divergence, batch["advice"], log_probs).mean()
        return (1 - share) * own + share * far

    def _entropy_weight(self) -> float:
        settings = self.settings
        weight = settings.entropy + self.progress * (settings.entropy_end - settings.entropy)
        return weight + (self.guide.entropy_rise if self.guide else 0.0)

    def _value_loss(self, value: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        error = (value - batch["target"]) ** 2
        if clip := self.settings.value_clip:
            moved = batch["value"] + (value - batch["value"]).clamp(-clip, clip)
            error = torch.maximum(error, (moved - batch["target"]) ** 2)
        return error.mean()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run needs to go on bit for bit."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "env": self.env.state_dict(),
            "obs": self._obs,
            "state": self._state,
            "returns": self._returns,
            "steps_done": self.steps_done,
            "episodes": self.episodes,
            "guide": self.guide.state_dict() if self.guide else None,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where another run with the same settings was."""
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.generator.set_state(saved["generator"].cpu())
        self.env.load_state_dict(saved["env"])
        device = self.generator.device
        self._obs, self._state = saved["obs"].to(device), saved["state"].to(device)
        self._returns, self.steps_done = saved["returns"].to(device), saved["steps_done"]
        self.episodes = saved["episodes"]
        if self.guide:
            self.guide.load_state_dict(saved["guide"])


def _stacked(column: Sequence[Any]) -> Any:
    """A tensor of all steps; none of what is not there."""
    return None if column[0] is None else torch.stack(list(column))


def sample(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Actions ``(B,)`` drawn from logits ``(B, A)``, by the Gumbel-max trick."""
    noise = torch.empty_like(logits).exponential_(generator=generator)
    return (logits.softmax(1) / noise).argmax(1)
