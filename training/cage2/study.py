"""A study: arms that differ in one thing, each trained under several seeds, in processes.

A run's folder is named by its plan without the seed, so that an arm which two studies share is
trained once, and a study that was cut off goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from training.cage2.settings import Plan
from training.cage2.study_measures import (
    Comparison,
    Measures,
    compare,
    handover,
    measure,
    summary,
)
from training.report import Arm, Columns, read_metrics
from training.run import RESULT
from training.study_pool import Job, run_all

SCORES: Final = "scores.json"
_ROOT: Final = Path(__file__).parents[2]  # a plan's teacher is named relative to it


@dataclass(frozen=True, slots=True)
class Study:
    """A question, and what is trained to answer it.

    Attributes:
        name: for the command line, the results and the figure.
        question: in a sentence or two.
        arms: plans by name; their seeds do not matter.
        against: the name of the arm that an arm is compared with, by its own name.
        scored_on: scenarios that every network plays after its training.
        level: a return whose time is taken.
    """

    name: str
    question: str
    arms: Mapping[str, Plan]
    against: Mapping[str, str] = field(default_factory=dict)
    scored_on: tuple[str, ...] = ()
    level: float | None = None

    def shortened(self, episodes: int) -> Study:
        """The same with so many episodes in every run."""
        arms = {name: lasting(plan, episodes) for name, plan in self.arms.items()}
        return Study(self.name, self.question, arms, self.against, self.scored_on, self.level)


@dataclass(frozen=True, slots=True)
class Findings:
    """What came out of a study, by arm; lists are in the order of the seeds."""

    study: Study
    seeds: tuple[int, ...]
    folders: Mapping[str, list[Path]]
    runs: Mapping[str, list[Columns]]
    results: Mapping[str, list[dict[str, Any]]]
    measures: Mapping[str, list[Measures]]

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """Of the arms that have a baseline."""
        against, measures = self.study.against, self.measures
        return {arm: compare(measures[arm], measures[base]) for arm, base in against.items()}

    def curves(self) -> list[Arm]:
        """For a figure."""
        return [Arm(name, runs, self.study.against.get(name)) for name, runs in self.runs.items()]

    def summaries(self) -> dict[str, dict[str, Any]]:
        """Intervals of every arm's measures."""
        return {name: summary(measures) for name, measures in self.measures.items()}


def lasting(plan: Plan, episodes: int) -> Plan:
    """The plan with so many episodes altogether."""
    ppo = plan.ppo.model_copy(update={"steps": episodes * plan.horizon})
    return plan.model_copy(update={"ppo": ppo})


def digest(plan: Plan) -> str:
    """Twelve hexadecimal digits of everything in a plan but its seed."""
    content = plan.model_dump(mode="json")
    del content["ppo"]["seed"]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def run_study(
    study: Study,
    folder: Path,
    seeds: Sequence[int],
    workers: int,
    show: Callable[[int, int], object] = lambda done, of: None,
) -> Findings:
    """Train what has not been trained yet, and measure everything.

    An interruption is passed on to the running processes, which save what they have.

    Args:
        study: what to run.
        folder: of all runs, also those of other studies.
        seeds: of every arm.
        workers: processes at a time, each of one thread.
        show: called with the runs that are done, and all.

    Raises:
        StudyError: a run failed; all the others have been run nevertheless.
    """
    folder = folder.resolve()
    jobs = {name: _jobs(study, plan, folder, seeds) for name, plan in study.arms.items()}
    every = {job.folder: job for arm in jobs.values() for job in arm}
    run_all(list(every.values()), workers, show)
    folders = {name: [job.folder for job in arm] for name, arm in jobs.items()}
    return _findings(study, tuple(seeds), folders)


def _jobs(study: Study, plan: Plan, folder: Path, seeds: Sequence[int]) -> list[Job]:
    def job(seed: int) -> Job:
        seeded = plan.model_copy(update={"ppo": plan.ppo.model_copy(update={"seed": seed})})
        order = {"plan": seeded.model_dump(mode="json"), "scored_on": list(study.scored_on)}
        place = folder / digest(plan) / f"seed-{seed}"
        return Job(place, "training.cage2.study_run", order, _done(place, study.scored_on), _ROOT)

    return [job(seed) for seed in seeds]


def _done(folder: Path, scored_on: Sequence[str]) -> bool:
    return (folder / RESULT).exists() and set(scored_on) <= scores_of(folder).keys()


def _findings(study: Study, seeds: tuple[int, ...], folders: Mapping[str, list[Path]]) -> Findings:
    runs: dict[str, list[Columns]] = {
        name: [read_metrics(place) for place in places] for name, places in folders.items()
    }
    measures = {
        name: [_measured(study, name, k, runs, places[k]) for k in range(len(seeds))]
        for name, places in folders.items()
    }
    results = {
        name: [json.loads((place / RESULT).read_text()) for place in places]
        for name, places in folders.items()
    }
    return Findings(study, seeds, folders, runs, results, measures)


def _measured(
    study: Study, arm: str, k: int, runs: Mapping[str, list[Columns]], folder: Path
) -> Measures:
    """Measures of the arm's run of the ``k``-th seed."""
    run, baseline = runs[arm][k], runs[study.against.get(arm, arm)][k]
    # A run without guidance is looked at where its first guided rival was handed over.
    rivals = [runs[name][k] for name, base in study.against.items() if base == arm]
    moments = (handover(candidate) for candidate in (run, *rivals))
    moment = next((m for m in moments if m is not None), None)
    scores = {name: score for name, score in scores_of(folder).items() if name in study.scored_on}
    return measure(run, baseline, handover=moment, level=study.level, scores=scores)


def scores_of(folder: Path) -> dict[str, float]:
    """A run's greedy returns by scenario, as far as it has played them."""
    path = folder / SCORES
    return json.loads(path.read_text()) if path.exists() else {}
