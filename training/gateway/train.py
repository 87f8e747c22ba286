"""Training a gateway's policy: guided PPO on recordings, with an eye on validation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from training.checkpoint import save
from training.device import pick
from training.env import Transition
from training.errors import CorpusError
from training.gateway.corpus import Corpus, Split
from training.gateway.env import Gateway
from training.gateway.leave_out import leave_out
from training.gateway.library import Recorded, recordings_of
from training.gateway.policy import Chooser, fresh
from training.gateway.recording import Recording
from training.gateway.rewards import COMPONENTS, Rewards
from training.gateway.score import score
from training.gateway.settings import Plan, PPOSettings
from training.gateway.tape import Tape
from training.gateway.teachers import make_teacher
from training.guidance import Guide
from training.ppo import PPO
from training.run import run

CHECKPOINT: Final = "network.pt"


class GatewayPPO(PPO):
    """PPO that looks at recordings which it does not learn from, and keeps its best network.

    Args:
        env, network, settings, guide: as of `PPO`.
        look: what a network earns on the validation recordings, the mean of them.
        every: rollouts from one look to the next.
    """

    settings: PPOSettings

    def __init__(
        self, *arguments: Any, look: Callable[[torch.nn.Module], float], every: int
    ) -> None:
        super().__init__(*arguments)
        self._look, self._every, self._rollouts = look, every, 0
        self.best: dict[str, Any] = {"validation": -math.inf, "steps": 0, "weights": {}}
        self._gained = torch.zeros(len(COMPONENTS), device=self.generator.device)

    def scaled(self, reward: torch.Tensor) -> torch.Tensor:
        """What is learned from, ``(B,)``."""
        most = self.settings.reward_clip
        return super().scaled(reward).clamp(-most, most)

    def play(self, action: torch.Tensor) -> Transition:
        """Act once in every environment, and add up what each part of the reward came to."""
        transition = super().play(action)
        info = transition[-1]
        self._gained += torch.stack([info[name].mean() for name in COMPONENTS])
        return transition

    def iterate(self) -> dict[str, float]:
        """One rollout and its updates.

        Returns:
            Metrics of PPO; the reward's components, points per decision; and ``validation``, which
            is not a number where nobody looked.
        """
        self._gained.zero_()
        metrics = super().iterate()
        gained = (self._gained / self.settings.rollout).tolist()
        metrics |= dict(zip(COMPONENTS, gained, strict=True))
        self._rollouts += 1
        found = math.nan
        if self._rollouts % self._every == 0 or self.progress >= 1:
            found = self._look(self.network)
            if found > self.best["validation"]:
                weights = copy.deepcopy(self.network.state_dict())
                self.best = {"validation": found, "steps": self.steps_done, "weights": weights}
        return {**metrics, "validation": found}

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run needs to go on bit for bit."""
        return {**super().state_dict(), "best": self.best, "rollouts": self._rollouts}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where another run with the same settings was."""
        super().load_state_dict(saved)
        self.best, self._rollouts = saved["best"], saved["rollouts"]


def train(
    folder: Path,
    plan: Plan,
    *,
    cache: Path,
    device: str = "cpu",
    processes: int = 1,
    show: Callable[[dict[str, float]], object] = lambda _: None,
) -> dict[str, Any]:
    """Train in a folder; a run that was cut off there goes on.

    Args:
        folder: of the run; the network is written there.
        plan: what to train, and how.
        cache: of recordings.
        device: of everything.
        processes: that make recordings.
        show: called with every row of metrics.

    Returns:
        As :func:`training.run.run`, and of the best network its ``validation`` and ``best_steps``.

    Raises:
        CorpusError: a corpus cannot be used, or has nothing to train or to validate on.
        DeviceMissing: torch has no such device here.
        RunError: the folder holds another run, or one that has ended.
        TeacherError: a language model that cannot be used, or may not guide.
    """
    place = pick(device)

    def known(split: Split) -> list[Recording]:
        found = recorded(plan, cache, split, processes)
        return [leave_out(each.recording, plan.without) for each in found]

    learned, others = known("train"), known("validation")
    network = fresh(plan.network, plan.ppo.seed).to(place)
    env = Gateway(
        plan.ppo.num_envs,
        torch.Generator(place),
        Tape(learned, place),
        rewards=plan.rewards,
        surroundings=plan.surroundings,
        window=plan.world.episode,
        noise=plan.world.noise,
    )
    guide = None
    if plan.teacher is not None:
        teacher = make_teacher(plan.teacher, seed=plan.ppo.seed, unqualified=plan.unqualified)
        guide = Guide(teacher, plan.guidance)
    learner = GatewayPPO(
        *(env, network, plan.ppo, guide),
        look=lambda network: earnings(others, network, plan.rewards).share,
        every=plan.world.evaluate_every,
    )
    about = plan.model_dump(mode="json")

    def finish(result: dict[str, Any]) -> None:
        network.load_state_dict(learner.best["weights"])
        result["validation"] = learner.best["validation"]
        result["best_steps"] = learner.best["steps"]
        save(folder / CHECKPOINT, network, plan.network, {**about, **result})

    return run(learner, folder, about, ending=plan.ending, show=show, finish=finish)


def recorded(plan: Plan, cache: Path, split: Split, processes: int) -> list[Recorded]:
    """The recordings of a split of all corpora.

    Raises:
        CorpusError: there is none, or a corpus cannot be used.
    """
    found = []
    for manifest, folder in zip(plan.corpora, plan.folders, strict=True):
        captures = Corpus.load(manifest).of(split)
        found += recordings_of(captures, folder, cache, processes=processes)
    if not found:
        raise CorpusError(f"no capture is for {split}: {', '.join(map(str, plan.corpora))}")
    return found


class Earnings(NamedTuple):
    """What a policy earns on R recordings.

    Attributes:
        points: ``(R,)``.
        stakes: ``(R,)``, what there was to gain and to lose.
    """

    points: torch.Tensor
    stakes: torch.Tensor

    @property
    def share(self) -> float:
        """Points over stakes, the mean over recordings: 1 is all that there is to gain."""
        return float((self.points / self.stakes).mean())


def earnings(recordings: Sequence[Recording], network: Any, rewards: Rewards) -> Earnings:
    """What a network earns that plays recordings from end to end."""
    totals = score(recordings, Chooser(network), rewards)
    points = torch.stack([totals[name] for name in COMPONENTS]).sum(0)
    return Earnings(points, torch.tensor([_stakes(each, rewards) for each in recordings]))


def _stakes(recording: Recording, rewards: Rewards) -> float:
    """What stopping everything malicious earns and stopping everything else costs."""
    gain = rewards.stop_malicious * (recording.label == 1).sum()
    return max(1.0, float(gain - rewards.stop_legitimate * (recording.label == 0).sum()))
