"""What a gateway study measures of each run, and how runs come to a figure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.errors import CorpusError
from training.gateway.corpus import SPLITS, Corpus, Split, digest, manifest_path
from training.gateway.earned import earned
from training.gateway.evaluate import Evaluation, evaluate
from training.gateway.library import Recorded, recordings_of
from training.gateway.policy import Chooser
from training.gateway.rewards import Rewards
from training.networks import ActorCritic
from training.report import interval
from training.study_page import plain

MEASURES: Final = "measures.json"
Tree: TypeAlias = Mapping[str, Any]
"""Numbers, or intervals of them, by name, in as many levels as need be."""


class HeldOut(BaseModel):
    """Captures that runs are measured on.

    Attributes:
        manifest: of their corpus.
        folder: the corpus's.
        split: which ones of it.
        sha256: of the manifest.
    """

    model_config = ConfigDict(frozen=True)

    manifest: Path
    folder: Path
    split: Split
    sha256: str

    @classmethod
    def of(cls, manifest: Path, folder: Path | None = None, split: Split = "held-out") -> Self:
        """A split of a corpus, in the manifest's folder unless another is said.

        Raises:
            CorpusError: the manifest cannot be read, or has no capture for that.
        """
        manifest = manifest_path(manifest)
        if not Corpus.load(manifest).of(split):
            raise CorpusError(f"{manifest}: no capture is for {split}; say another with --test")
        folder = folder or manifest.parent
        return cls(manifest=manifest, folder=folder, split=split, sha256=digest(manifest))

    @property
    def name(self) -> str:
        """For people: the corpus's, and the split's unless it is the usual one."""
        manifest = self.manifest
        corpus = manifest.parent.name if manifest.stem == "corpus" else manifest.stem
        return corpus if self.split == "held-out" else f"{corpus}:{self.split}"

    def recorded(self, cache: Path, processes: int = 1) -> list[Recorded]:
        """Its recordings, as `recordings_of` gives them."""
        captures = Corpus.load(self.manifest).of(self.split)
        return recordings_of(captures, self.folder, cache, processes=processes)


def split_off(text: str) -> tuple[Path, Split]:
    """A manifest and a split, of ``CORPUS:SPLIT``; without a split it is what is held out.

    Raises:
        CorpusError: there is no such split.
    """
    corpus, _, name = text.rpartition(":")
    split = next((split for split in SPLITS if split == name), None)
    if corpus and split:
        return Path(corpus), split
    if corpus and not Path(text).exists():
        raise CorpusError(f"{text}: no split is called {name}; there are {', '.join(SPLITS)}")
    return Path(text), "held-out"


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one run on captures that it has not seen.

    Attributes:
        captures: how many.
        reward: points on all of them together.
        share: points over what is at stake, the mean over captures.
        outcomes: what became of flows, by the agent's replay.
    """

    captures: int
    reward: float
    share: float
    outcomes: Evaluation

    def tree(self) -> dict[str, Any]:
        """All numbers, as JSON can hold them."""
        numbers = {"captures": self.captures, "reward": self.reward, "share": self.share}
        return plain(numbers | asdict(self.outcomes))


def measure(network: ActorCritic, held_out: HeldOut, rewards: Rewards, cache: Path) -> Measures:
    """Everything of one network.

    Raises:
        CorpusError: the captures cannot be used.
        CaptureError: one of them cannot be read.
        LabelError: its labels cannot be used.
    """
    recorded = held_out.recorded(cache)
    found = earned([each.recording for each in recorded], Chooser(network), rewards)
    captures = [each.capture for each in recorded]
    outcomes = evaluate(captures, held_out.folder, Chooser(network))
    return Measures(len(captures), found.points, found.share, outcomes)


def kept(folder: Path) -> dict[str, Any]:
    """All that a run has measured already, by name of the captures."""
    path = folder / MEASURES
    return json.loads(path.read_text()) if path.exists() else {}


def measured(folder: Path, held_out: Sequence[HeldOut]) -> dict[str, Tree]:
    """The same of these captures only."""
    asked = {each.name: each.model_dump(mode="json") for each in held_out}
    return {name: tree for name, tree in kept(folder).items() if tree["of"] == asked.get(name)}


def over_seeds(runs: Sequence[Tree]) -> dict[str, Any]:
    """Each number's `Interval` over runs; one that is null in a run is left out of it."""
    return _joined(runs, lambda values: interval([_number(value) for value in values]))


def differences(arm: Sequence[Tree], baseline: Sequence[Tree]) -> dict[str, Any]:
    """Each number's `Interval` of what the arm has more than its baseline, seed by seed."""
    n = len(arm)

    def more(values: Sequence[Any]) -> Any:
        numbers = np.array([_number(value) for value in values])
        return interval(numbers[:n] - numbers[n:])

    return _joined([*arm, *baseline], more)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _joined(trees: Sequence[Tree], join: Callable[[Sequence[Any]], Any]) -> dict[str, Any]:
    """Trees of the same names as one."""

    def joined(values: Sequence[Any]) -> Any:
        return _joined(values, join) if isinstance(values[0], Mapping) else join(values)

    return {name: joined([tree[name] for tree in trees]) for name in trees[0]}


def unseen(tree: Tree, family: str) -> dict[str, Any]:
    """Of a run's measures, those of one family's flows and of legitimate ones."""
    outcomes = {name: each for name, each in tree["malicious"].items() if name == family}
    return {"malicious": outcomes, "all_benign": tree["all_benign"]}
