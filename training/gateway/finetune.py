"""Fine-tuning from operation: a policy learns from what analysts said of its decisions.

Where an analyst judged a flow, what each verdict would have earned is known (`bandit.py`), so the
loss is what the policy is expected to lose against the best one. So that it does not forget what it
knew, points of the corpora that it was trained on are mixed in (experience replay, Rolnick et al.
2019, arXiv 1811.11682), and to decide otherwise there costs the divergence from the policy that it
was (learning without forgetting, Li and Hoiem 2016, arXiv 1606.09282).

A single decision knows nothing of the other flows that a rule stops. That is measured afterwards,
in the playground, and a policy that got worse there is refused.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from training.checkpoint import save
from training.distill import kl_from_teacher
from training.errors import CorpusError, RunError
from training.gateway.bandit import Points, expected, regret_bound, worth_of
from training.gateway.earned import earned
from training.gateway.finetune_settings import Finetuning
from training.gateway.journal import Journal
from training.gateway.policy import Chooser, Logits, read
from training.gateway.recording import Recording
from training.gateway.rewards import Rewards
from training.gateway.settings import Plan
from training.gateway.train import CHECKPOINT, recorded
from training.networks import ActorCritic
from training.optimise import adam, descend, remaining, set_rate
from training.provenance import commit, machine, sha256

MORE_STOPPED: Final = 0.0005
"""Share of legitimate flows of the corpora that may be stopped beyond those that were before."""
_SHOWN: Final = 50  # updates from one row of metrics to the next


def fit(
    network: ActorCritic,
    journal: Points,
    old: Points,
    settings: Finetuning,
    show: Callable[[dict[str, float]], object] = lambda _: None,
) -> None:
    """Learn from a journal; the critic stays as it is.

    Args:
        network: is changed.
        journal: its points.
        old: the corpora's, which are not to be forgotten.
        settings: all numbers.
        show: called now and then with ``steps``, ``return`` (what is expected of a decision in the
            journal) and ``steps_per_second``.
    """
    policy, before = Logits(network), Logits(copy.deepcopy(network))
    optimizer = adam(network, settings.learning_rate)
    generator = torch.Generator().manual_seed(settings.seed)
    begun = time.monotonic()
    for done in range(settings.updates):
        share = remaining(settings.schedule, done / settings.updates)
        set_rate(optimizer, settings.learning_rate * share)
        obs, worth = journal.draw(settings.batch, generator)
        old_obs, old_worth = old.draw(settings.batch, generator)
        with torch.no_grad():
            wanted = before(old_obs)
        logits, old_logits = policy(obs), policy(old_obs)
        loss = (
            (1 - settings.replay) * regret_bound(logits, worth).mean()
            + settings.replay * regret_bound(old_logits, old_worth).mean()
            + settings.drift * kl_from_teacher(wanted, old_logits).mean()
        )
        descend(loss, optimizer, settings.max_grad_norm)
        if (done + 1) % _SHOWN == 0:
            speed = (done + 1) / (time.monotonic() - begun)
            gained = expected(logits, worth).mean().item()
            show({"steps": done + 1, "return": gained, "steps_per_second": speed})


@dataclass(frozen=True, slots=True)
class Measures:
    """What a policy is worth.

    Attributes:
        validation: of what the corpora's validation recordings have at stake, the share that it
            earns; the mean over recordings.
        legitimate_stopped: share of their legitimate flows that it stops.
        journal: points that it earns at a decision of the journal's held-out part.
    """

    validation: float
    legitimate_stopped: float
    journal: float

    @classmethod
    def of(
        cls, network: ActorCritic, held_out: Points, others: Sequence[Recording], rewards: Rewards
    ) -> Self:
        """Measure a policy on the journal's held-out part and on recordings."""
        found = earned(others, Chooser(network), rewards)
        # Where nothing is legitimate, nothing legitimate is stopped.
        stopped = 0.0 if math.isnan(found.harm) else found.harm
        return cls(found.share, stopped, held_out.earned(network))


def refusal(before: Measures, after: Measures, tolerance: float) -> str | None:
    """Why the policy after must not take the place of the one before, if so."""
    reasons = []
    # Asked this way around, what is no number is refused.
    if not after.validation >= before.validation - tolerance:
        reasons.append(
            f"of what the corpora have at stake it earns {after.validation:.2%},"
            f" before {before.validation:.2%} (--tolerance {tolerance:g})"
        )
    if not after.legitimate_stopped <= before.legitimate_stopped + MORE_STOPPED:
        reasons.append(
            f"it stops {after.legitimate_stopped:.3%} of their legitimate flows,"
            f" before {before.legitimate_stopped:.3%}"
        )
    if not after.journal > before.journal:
        reasons.append(
            f"on the journal's held-out flows it earns {after.journal:.3f} points a decision,"
            f" before {before.journal:.3f}"
        )
    return "; ".join(reasons) or None


def finetune(
    checkpoint: Path,
    export: Path,
    folder: Path,
    settings: Finetuning,
    *,
    corpora: Sequence[Path],
    folders: Sequence[Path],
    rewards: Rewards,
    cache: Path,
    processes: int = 1,
    show: Callable[[dict[str, float]], object] = lambda _: None,
) -> dict[str, Any]:
    """Learn from an export of the journal; write the policy if it is better.

    Args:
        checkpoint: of the policy, which stays as it is.
        export: of the journal, see `training.gateway.journal`.
        folder: gets ``network.pt``, with all that is returned in its provenance.
        settings: how to learn.
        corpora: manifests of what must not be forgotten.
        folders: of the corpora, one each.
        rewards: the table.
        cache: of recordings.
        processes: that make recordings.
        show: see `fit`.

    Returns:
        ``before`` and ``after`` (`Measures`), ``refused`` (why; empty if it is written), the
        ``policy``, the ``journal`` and the ``corpora`` that it comes from, and how it was made.

    Raises:
        CorpusError: a corpus cannot be used, or has nothing to learn from or to validate on; or
            nothing is lost by stopping what is legitimate.
        JournalError: the export cannot be used.
        PolicyError: the checkpoint cannot be read.
        RunError: the folder has a network already, or cannot be made.
    """
    _claim(folder)
    if rewards.stop_legitimate == 0:
        raise CorpusError(
            "the table of rewards has stop_legitimate 0: whatever is stopped is right"
        )
    network, blueprint, about = read(checkpoint)
    journal = Journal.load(export)
    held_out = journal.held_out(settings.held_out, settings.seed)
    plan = Plan(corpora=tuple(corpora), folders=tuple(folders), rewards=rewards)
    others = [each.recording for each in recorded(plan, cache, "validation", processes)]
    learned = [each.recording for each in recorded(plan, cache, "train", processes)]
    worth = worth_of(rewards)
    test = Points.of_journal(journal, held_out, worth)
    before = Measures.of(network, test, others, rewards)
    fit(
        network,
        Points.of_journal(journal, ~held_out, worth),
        Points.of_recordings(learned, worth),
        settings,
        show,
    )
    after = Measures.of(network, test, others, rewards)
    result = {
        "before": asdict(before),
        "after": asdict(after),
        "refused": refusal(before, after, settings.tolerance),
        "journal": _told(journal, held_out),
        "policy": {"sha256": sha256(checkpoint), "provenance": about},
        "corpora": {str(path): sha256(path) for path in corpora},
        "finetuning": settings.model_dump(mode="json"),
        "rewards": rewards.model_dump(mode="json"),
        "commit": commit(),
        "machine": machine(torch.device("cpu")),
    }
    if not result["refused"]:
        save(folder / CHECKPOINT, network, blueprint, result)
    return result


def _claim(folder: Path) -> None:
    """Make the folder, or make sure that there is no network in it."""
    if (folder / CHECKPOINT).exists():
        raise RunError(f"{folder}: there is a {CHECKPOINT} already; say another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror}); say another") from error


def _told(journal: Journal, held_out: NDArray[np.bool_]) -> dict[str, Any]:
    """What a result says of a journal: rows, and how many of those that are judged are what."""
    confirmed = int(journal.confirmed.sum())
    return {
        "sha256": journal.sha256,
        "policy": journal.policy,
        "rows": journal.rows,
        "confirmed": confirmed,
        "overruled": len(journal.confirmed) - confirmed,
        "flows": len(journal.malicious),
        "held_out": int(held_out.sum()),
    }
