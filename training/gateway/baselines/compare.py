"""Baselines and learned policies side by side, for the same reward and in the same replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias, get_args

import numpy as np

from agent.engine import Judge
from training.errors import CorpusError
from training.gateway.baselines.classifiers import PACKETS, Method, examples, fit
from training.gateway.baselines.fail2ban import tuned
from training.gateway.baselines.thresholds import Thresholded, holding, quantiles, tune
from training.gateway.corpus import Capture, Corpus, Split
from training.gateway.earned import Earned, chooser, earned
from training.gateway.evaluate import Evaluation, evaluate
from training.gateway.library import recordings_of
from training.gateway.playbook_policy import PlaybookPolicy
from training.gateway.record import AllowAll
from training.gateway.recording import Recording
from training.gateway.rewards import Rewards

Policies: TypeAlias = Mapping[str, Sequence[Judge]]
"""By name; of what is drawn by a seed, one for each seed."""

Show: TypeAlias = Callable[[str], object]
"""Called with what is being done."""

Corpora: TypeAlias = Sequence[tuple[Path, Path]]
"""Manifests, with the folders that their captures lie in."""

_METHODS: Final[tuple[Method, ...]] = get_args(Method)
BASELINES: Final = ("allow", "playbook", "fail2ban", *_METHODS)


class Place(NamedTuple):
    """A corpus's captures of one split, with the folder that they lie in and their recordings."""

    manifest: Path
    folder: Path
    captures: Sequence[Capture]
    recordings: Sequence[Recording]


class Lab(NamedTuple):
    """Where recordings are kept, and how many processes make them."""

    cache: Path
    processes: int = 1

    def places(self, corpora: Corpora, split: Split) -> list[Place]:
        """The corpora that have captures for a split.

        Raises:
            CorpusError: none has, or a corpus cannot be used.
        """
        found = []
        for manifest, folder in corpora:
            captures = Corpus.load(manifest).of(split)
            recorded = recordings_of(captures, folder, self.cache, processes=self.processes)
            if recorded:
                found.append(Place(manifest, folder, captures, [r.recording for r in recorded]))
        if not found:
            names = ", ".join(str(manifest) for manifest, _ in corpora)
            raise CorpusError(f"no capture is for {split}: {names}")
        return found

    def recordings(self, corpora: Corpora, split: Split) -> list[Recording]:
        """Of a split of all corpora.

        Raises:
            CorpusError: there are none, or a corpus cannot be used.
        """
        return [each for place in self.places(corpora, split) for each in place.recordings]


@dataclass(frozen=True, slots=True)
class Result:
    """One policy on the captures of one corpus.

    Attributes:
        thresholds: by verdict, of a policy that has some.
        earned: in the playground.
        replayed: in the agent's own replay.
    """

    thresholds: Mapping[str, float]
    earned: Earned
    replayed: Evaluation


def baselines(
    lab: Lab,
    corpora: Corpora,
    rewards: Rewards,
    *,
    packets: int = PACKETS,
    seeds: int = 1,
    most_harm: float | None = None,
    show: Show = lambda _: None,
) -> dict[str, list[Judge]]:
    """Fit on captures for training, and tune on those for validation.

    Args:
        lab: makes the recordings.
        corpora: to learn from.
        rewards: the table.
        packets: of a flow, up to which classifiers are fitted to its decision points.
        seeds: classifiers of each kind.
        most_harm: share of the validation's legitimate flows that thresholds may stop.
        show: called before each.

    Raises:
        CorpusError: a corpus cannot be used, or there is nothing to fit to or to tune on.
    """
    learned, others = lab.recordings(corpora, "train"), lab.recordings(corpora, "validation")
    show("tuning fail2ban")
    found: dict[str, list[Judge]] = {
        "allow": [AllowAll()],
        "playbook": [PlaybookPolicy()],
        "fail2ban": [tuned(others, rewards, most_harm)],
    }
    for method in _METHODS:
        found[method] = []
        for seed in range(seeds):
            show(f"fitting {method}, seed {seed}")
            drawn = examples(learned, np.random.default_rng(seed), packets)
            signal = fit(method, drawn, seed)
            show(f"tuning {method}, seed {seed}")
            candidates = quantiles(signal, others)
            thresholds = tune(signal, others, rewards, candidates, most_harm=most_harm)
            found[method].append(Thresholded(signal, thresholds))
    return found


def compare(
    place: Place, policies: Policies, rewards: Rewards, *, show: Show = lambda _: None
) -> dict[str, list[Result]]:
    """Play and replay captures with each policy.

    Raises:
        CaptureError: a capture cannot be read.
        LabelError: its labels cannot be used.
    """
    found: dict[str, list[Result]] = {}
    for name, judges in policies.items():
        show(f"playing {place.manifest} with {name}")
        found[name] = [
            Result(
                thresholds=j.thresholds._asdict() if isinstance(j, Thresholded) else {},
                earned=_earned(j, place.recordings, rewards),
                replayed=evaluate(place.captures, place.folder, j),
            )
            for j in judges
        ]
    return found


def _earned(judge: Judge, recordings: Sequence[Recording], rewards: Rewards) -> Earned:
    if isinstance(judge, Thresholded):
        return judge.earned(holding(judge.signal, recordings), rewards)
    return earned(recordings, chooser(judge), rewards)
