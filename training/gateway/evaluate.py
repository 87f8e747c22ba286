"""What a policy would have done on captures: the agent's own replay, family by family."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent.config import Settings
from agent.engine import Judge
from agent.replay import merged, replay_one
from agent.tally import Family, total
from training.gateway.corpus import Capture
from training.gateway.labelling import labels_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the flows of a family.

    Attributes:
        flows: in all.
        stopped: share that was blocked or isolated.
        throttled: share that was throttled, and not stopped.
        packets: that passed of a stopped flow, the median; not a number where none was stopped.
        bytes_passed: share of all bytes that passed.
    """

    flows: int
    stopped: float
    throttled: float
    packets: float
    bytes_passed: float

    @classmethod
    def of(cls, family: Family) -> Outcome:
        """From a replay's tally."""
        before = family.packets_before_verdict
        return cls(
            flows=family.flows,
            stopped=family.stopped / max(1, family.flows),
            throttled=family.throttled / max(1, family.flows),
            packets=float(np.median(before)) if len(before) else float("nan"),
            bytes_passed=family.bytes_passed / max(1, family.bytes),
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Outcomes by family, and of all of them together.

    Attributes:
        malicious, benign: by family.
        all_malicious, all_benign: of all.
    """

    malicious: Mapping[str, Outcome]
    benign: Mapping[str, Outcome]
    all_malicious: Outcome
    all_benign: Outcome

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Evaluation:
        """What `as_json` gave."""

        def outcome(each: Mapping[str, Any]) -> Outcome:
            packets = math.nan if each["packets"] is None else each["packets"]
            return Outcome(**{**each, "packets": packets})

        return cls(
            {name: outcome(each) for name, each in found["malicious"].items()},
            {name: outcome(each) for name, each in found["benign"].items()},
            outcome(found["all_malicious"]),
            outcome(found["all_benign"]),
        )

    def as_json(self) -> dict[str, Any]:
        """Families by name, and the totals; what is not a number is null."""

        def outcome(each: Outcome) -> dict[str, float | None]:
            return {k: None if math.isnan(v) else v for k, v in asdict(each).items()}

        return {
            "malicious": {name: outcome(each) for name, each in self.malicious.items()},
            "benign": {name: outcome(each) for name, each in self.benign.items()},
            "all_malicious": outcome(self.all_malicious),
            "all_benign": outcome(self.all_benign),
        }


def evaluate(
    captures: Sequence[Capture],
    folder: Path,
    policy: Judge,
    *,
    settings: Settings | None = None,
    advance: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Replay captures, each with tables of its own.

    Args:
        captures: of a corpus.
        folder: the corpus's.
        policy: is asked, and guarded.
        settings: of the agent; its defaults if left out.
        advance: called after each capture.

    Raises:
        CaptureError: a capture cannot be read.
        LabelError: its labels cannot be used.
    """
    tallies = []
    for capture in captures:
        labels = labels_of(capture, folder)
        result = replay_one(folder / capture.path, labels, settings or Settings(), policy)
        tallies.append(result.tally)
        advance()
    malicious = merged([tally.families for tally in tallies])
    benign = merged([tally.benign for tally in tallies])
    return Evaluation(
        {name: Outcome.of(family) for name, family in sorted(malicious.items())},
        {name: Outcome.of(family) for name, family in sorted(benign.items())},
        Outcome.of(total(malicious)),
        Outcome.of(total(benign)),
    )
