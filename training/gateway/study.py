"""A study of a gateway's training: arms, each under several seeds, scored on what none has seen.

================  ==============================================================================
``guided``        the plan as it is, with its teacher
``unguided``      the same without a teacher
``alone``         nor hindsight: PPO, and nothing that tells it what would have been right
``without-NAME``  unguided, and flows of that family are unknown in all that is learned from: a
                  teacher's rules would know the family that nobody shall have told of
================  ==============================================================================

Families that the plan itself leaves out are unknown in every arm. A run's folder is
``FOLDER/ARM/seed-N``. Each arm but the second is compared with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from training.errors import StudyError
from training.gateway.labels.families import FAMILIES
from training.gateway.leave_out import families_named
from training.gateway.library import Recorded
from training.gateway.settings import Plan
from training.gateway.study_measures import HeldOut, Tree, measured
from training.gateway.train import recorded
from training.run import RESULT, ended
from training.study_pool import Job, run_all

GUIDED: Final = "guided"
UNGUIDED: Final = "unguided"
ALONE: Final = "alone"
WITHOUT: Final = "without-"
_IN_HEADERS: Final = FAMILIES[:8]


@dataclass(frozen=True, slots=True)
class Findings:
    """What came out of a study; lists are in the order of the seeds.

    Attributes:
        arms: their plans, by name.
        seeds: of every arm.
        held_out: names of the captures that runs were measured on.
        measures: of the runs, by those captures and by arm.
        results: of the runs' training, by arm.
    """

    arms: Mapping[str, Plan]
    seeds: tuple[int, ...]
    held_out: tuple[str, ...]
    measures: Mapping[str, Mapping[str, list[Tree]]]
    results: Mapping[str, list[dict[str, Any]]]


def run_study(
    folder: Path,
    plan: Plan,
    seeds: int,
    held_out: Sequence[HeldOut],
    *,
    names: Sequence[str] = (),
    cache: Path,
    workers: int,
    show: Callable[[int, int], object] = lambda done, of: None,
) -> Findings:
    """Train and measure what has not been yet, all arms of a seed before the next one's.

    An interruption is passed on to the running processes, which save what they have.

    Args:
        folder: of all runs.
        plan: of the guided arm; its seed is the first one.
        seeds: how many there are.
        held_out: what runs are measured on.
        names: of arms; if left out, with and without a teacher, PPO alone, and without each family
            that shows in headers, is learned from, and is held out.
        cache: of recordings.
        workers: processes at a time, each of one thread.
        show: called with the runs that are done, and all.

    Raises:
        StudyError: an arm that cannot be, or a run failed; all the others have been run then.
        CorpusError: a corpus cannot be used.
        RunError: the folder holds runs with other settings.
    """
    known = _families(plan, held_out, cache, workers)
    arms = arms_of(plan, names or _usual(known - set(plan.without)), known)
    first = plan.ppo.seed
    numbers = tuple(range(first, first + seeds))
    jobs = [
        _job(folder, arm, changed, seed, held_out, cache)
        for seed in numbers
        for arm, changed in arms.items()
    ]
    run_all(jobs, workers, show)
    return findings_of(folder, arms, numbers, held_out)


def _families(plan: Plan, held_out: Sequence[HeldOut], cache: Path, processes: int) -> set[str]:
    """Families of attacks that are both learned from and held out.

    Every recording is made on the way, so that runs which go side by side need not.
    """
    learned = _attacks(recorded(plan, cache, "train", processes))
    recorded(plan, cache, "validation", processes)
    asked = [_attacks(each.recorded(cache, processes)) for each in held_out]
    return learned & set().union(*asked)


def _attacks(found: Sequence[Recorded]) -> set[str]:
    return {str(name) for _, each in found for name in set(each.family[each.label == 1])}


def _usual(known: Collection[str]) -> list[str]:
    left_out = [WITHOUT + family for family in _IN_HEADERS if family in known]
    return [GUIDED, UNGUIDED, ALONE, *left_out]


def arms_of(plan: Plan, names: Sequence[str], known: Collection[str]) -> dict[str, Plan]:
    """Arms by name.

    Args:
        plan: of the guided one.
        names: of arms; families may go by any of their names.
        known: families that can be left out.

    Raises:
        StudyError: there is no such arm, or nothing that it could leave out.
        CorpusError: there is no such family.
    """
    arms = {}
    unguided = plan.model_copy(update={"teacher": None})
    forgotten = plan.rehearsal.model_copy(update={"rehearsal": 0, "hindsight": 0.0})
    alone = unguided.model_copy(update={"rehearsal": forgotten})
    for name in names:
        if name in (GUIDED, UNGUIDED, ALONE):
            arms[name] = {GUIDED: plan, UNGUIDED: unguided, ALONE: alone}[name]
            continue
        if not name.startswith(WITHOUT):
            raise StudyError(
                f"no arm {name}: say {GUIDED}, {UNGUIDED}, {ALONE}, or {WITHOUT}FAMILY"
            )
        (family,) = families_named([name.removeprefix(WITHOUT)])
        if family not in known:
            raise StudyError(f"{name}: {family} is not in both the training and the test captures")
        if family in plan.without:
            raise StudyError(f"{name}: --without leaves {family} out of every arm already")
        arm = WITHOUT + family.replace(" ", "-")
        arms[arm] = unguided.model_copy(update={"without": (*plan.without, family)})
    return arms


def unseen_by(arm: str, plan: Plan) -> str | None:
    """The family that an arm leaves out beyond what all arms do, if it is made for that."""
    return plan.without[-1] if arm.startswith(WITHOUT) else None


def _job(
    folder: Path, arm: str, plan: Plan, seed: int, held_out: Sequence[HeldOut], cache: Path
) -> Job:
    place = folder / arm / f"seed-{seed}"
    seeded = plan.model_copy(update={"ppo": plan.ppo.model_copy(update={"seed": seed})})
    about = seeded.model_dump(mode="json")
    asked = [each.model_dump(mode="json") for each in held_out]
    done = ended(place, about) and len(measured(place, held_out)) == len(held_out)
    order = {"plan": about, "held_out": asked, "cache": str(cache)}
    return Job(place, "training.gateway.study_run", order, done)


def findings_of(
    folder: Path, arms: Mapping[str, Plan], seeds: Sequence[int], held_out: Sequence[HeldOut]
) -> Findings:
    """What the finished runs of a study have written down."""
    places = {arm: [folder / arm / f"seed-{seed}" for seed in seeds] for arm in arms}
    runs = {arm: [measured(place, held_out) for place in places[arm]] for arm in arms}
    names = tuple(each.name for each in held_out)
    measures = {name: {arm: [run[name] for run in runs[arm]] for arm in arms} for name in names}
    results = {
        arm: [json.loads((place / RESULT).read_text()) for place in places[arm]] for arm in arms
    }
    return Findings(arms, tuple(seeds), names, measures, results)
