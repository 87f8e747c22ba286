"""Training a gateway's policy: guided PPO on recordings, with an eye on validation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, Final

import torch

from training.checkpoint import save
from training.device import pick
from training.env import Transition
from training.gateway.caution import Cautious, cautious, outright
from training.gateway.corpus import Split
from training.gateway.earned import earned
from training.gateway.env import Gateway
from training.gateway.hindsight import Hindsight
from training.gateway.imagined_rules import with_rules
from training.gateway.inputs import Standardised, settle
from training.gateway.leave_out import leave_out
from training.gateway.library import Recorded, by_corpus
from training.gateway.policy import Chooser, fresh
from training.gateway.recording import Recording
from training.gateway.rewards import COMPONENTS
from training.gateway.settings import Plan, PPOSettings, Rehearsal
from training.gateway.tape import Tape
from training.gateway.teachers import make_teacher
from training.guidance import Guide, TeacherGuide
from training.networks import ActorCritic, FlatActorCritic
from training.ppo import PPO
from training.provenance import sha256
from training.run import run

CHECKPOINT: Final = "network.pt"

_SEEDS_APART: Final = 1_000_000  # so that a run's networks are not those of the next seed's


class GatewayPPO(PPO):
    """PPO that looks at recordings which it does not learn from, and keeps its best network.

    Args:
        env, network, settings, guide: as of `PPO`.
        hindsight: what was right.
        rehearsal: how it is learned.
        look: what a network is worth on the validation recordings.
        every: rollouts from one look to the next.
        better: by how much another network has to be worth more.
    """

    settings: PPOSettings
    network: FlatActorCritic

    def __init__(
        self,
        *arguments: Any,
        hindsight: Hindsight,
        rehearsal: Rehearsal,
        look: Callable[[ActorCritic], float],
        every: int,
        better: float,
    ) -> None:
        super().__init__(*arguments)
        self._hindsight, self._rehearsal = hindsight, rehearsal
        self._look, self._every, self._better, self._rollouts = look, every, better, 0
        self.best: dict[str, Any] = {"validation": -math.inf, "steps": 0, "weights": {}}
        self.rehearsed = math.nan
        self._gained = torch.zeros(len(COMPONENTS), device=self.generator.device)

    def scaled(self, reward: torch.Tensor) -> torch.Tensor:
        """What is learned from, ``(B,)``."""
        most = self.settings.reward_clip
        return super().scaled(reward).clamp(-most, most)

    def loss(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """PPO's loss of a minibatch, mixed with that of as many points seen in hindsight."""
        loss, metrics = super().loss(batch)
        if share := self._rehearsal.hindsight:
            missed = self._hindsight.loss(self.network, len(batch["obs"]))
            loss = (1 - share) * loss + share * missed
        return loss, metrics

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
        if not self._rollouts:
            self._hindsight.rehearse(self.network, self._rehearsal)
            self.rehearsed = self._keep_best()
        self._gained.zero_()
        metrics = super().iterate()
        gained = (self._gained / self.settings.rollout).tolist()
        metrics |= dict(zip(COMPONENTS, gained, strict=True))
        self._rollouts += 1
        found = math.nan
        if self._rollouts % self._every == 0 or self.progress >= 1:
            found = self._keep_best()
        return {**metrics, "validation": found}

    def _keep_best(self) -> float:
        """Look at the network, and keep it if it is the best so far."""
        found = self._look(self.network)
        if found > self.best["validation"] + self._better:
            weights = copy.deepcopy(self.network.state_dict())
            self.best = {"validation": found, "steps": self.steps_done, "weights": weights}
        return found

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run needs to go on bit for bit."""
        return {
            **super().state_dict(),
            "best": self.best,
            "rehearsed": self.rehearsed,
            "rollouts": self._rollouts,
            "hindsight": self._hindsight.state_dict(),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where another run with the same settings was."""
        super().load_state_dict(saved)
        self.best, self.rehearsed = saved["best"], saved["rehearsed"]
        self._rollouts = saved["rollouts"]
        self._hindsight.load_state_dict(saved["hindsight"])


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
        As :func:`training.run.run`, and of the best network its ``validation``, what it earns of
        what is at stake, the mean over recordings; ``best_steps``, and by the same measure
        ``rehearsed``, what it was before PPO began; ``caution``; and ``costs``, of each corpus's
        validation; and ``corpora_sha256`` of their manifests, which hold those of all captures.

    Raises:
        CorpusError: a corpus cannot be used, or has nothing to train or to validate on.
        DeviceMissing: torch has no such device here.
        RunError: the folder holds another run, or one that has ended.
        TeacherError: a language model that cannot be used, or may not guide.
    """
    place = pick(device)
    learned = [each for corpus in known(plan, cache, "train", processes) for each in corpus]
    corpora = known(plan, cache, "validation", processes)
    learner = _learner(plan, Tape(learned, place), corpora)
    about = plan.model_dump(mode="json")

    def finish(result: dict[str, Any]) -> None:
        result |= _settled(learner, plan, corpora)
        save(folder / CHECKPOINT, learner.network, plan.network, {**about, **result})

    return run(learner, folder, about, ending=plan.ending, show=show, finish=finish)


def _learner(plan: Plan, tape: Tape, corpora: Sequence[Sequence[Recording]]) -> GatewayPPO:
    """PPO on a tape, with an eye on the corpora's recordings for validation."""
    network, *members = _networks(plan, tape)
    env = Gateway(
        plan.ppo.num_envs,
        torch.Generator(tape.obs.device),
        tape,
        rewards=plan.rewards,
        surroundings=plan.surroundings,
        window=plan.world.episode,
        noise=plan.world.noise,
    )

    def look(network: ActorCritic) -> float:
        chooses = Cautious(network, outright(network, corpora, plan.limits))
        return earned(list(chain(*corpora)), chooses, plan.rewards).share

    return GatewayPPO(
        *(env, network, plan.ppo, _guide(plan)),
        hindsight=Hindsight(tape, plan.world.noise, env.generator, members),
        rehearsal=plan.rehearsal,
        look=look,
        every=plan.world.evaluate_every,
        better=plan.world.better,
    )


def _settled(
    learner: GatewayPPO, plan: Plan, corpora: Sequence[Sequence[Recording]]
) -> dict[str, Any]:
    """Make the learner's network the best that it was, and cautious; say what it is then."""
    network = learner.network
    network.load_state_dict(learner.best["weights"])
    caution, costs = cautious(network, corpora, plan.limits)
    caution.instil(network)
    settle(network)
    return {
        "validation": earned(list(chain(*corpora)), Chooser(network), plan.rewards).share,
        "best_steps": learner.best["steps"],
        "rehearsed": learner.rehearsed,
        "corpora_sha256": {str(path): sha256(path) for path in plan.corpora},
        "caution": asdict(caution),
        "costs": [asdict(each) for each in costs],
    }


def _networks(plan: Plan, tape: Tape) -> list[FlatActorCritic]:
    """The policy, and those that it learns from, with weights of their own."""
    scales, made = Standardised(with_rules(tape.obs, plan.ppo.seed)), []
    for number in range(1 + plan.rehearsal.members):
        network = fresh(plan.network, plan.ppo.seed + number * _SEEDS_APART)
        network.memory = scales
        made.append(network.to(tape.obs.device))
    return made


def _guide(plan: Plan) -> Guide | None:
    if plan.teacher is None:
        return None
    teacher = make_teacher(plan.teacher, seed=plan.ppo.seed, unqualified=plan.unqualified)
    return TeacherGuide(teacher, plan.guidance)


def known(plan: Plan, cache: Path, split: Split, processes: int) -> list[list[Recording]]:
    """The recordings of a split, corpus by corpus, without what is left out.

    Raises:
        CorpusError: there is none, or a corpus cannot be used.
    """
    found = _by_corpus(plan, cache, split, processes)
    return [[leave_out(each.recording, plan.without) for each in corpus] for corpus in found]


def recorded(plan: Plan, cache: Path, split: Split, processes: int) -> list[Recorded]:
    """The recordings of a split of all corpora.

    Raises:
        CorpusError: there is none, or a corpus cannot be used.
    """
    return [each for corpus in _by_corpus(plan, cache, split, processes) for each in corpus]


def _by_corpus(plan: Plan, cache: Path, split: Split, processes: int) -> list[list[Recorded]]:
    return by_corpus(plan.corpora, plan.folders, split, cache, processes=processes)
