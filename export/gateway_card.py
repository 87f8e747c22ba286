"""A gateway policy's model card: what it is, what it is worth, and where it fails."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.bundle import Gate
from agent.observation import FEATURES, SCHEMA_HASH
from training.errors import PolicyError
from training.gateway.evaluate import Evaluation, Outcome
from training.report import table

_CARD: Final = """# {name}

{description}

- Inputs: {features} features of a flow, its hosts, alerts and the rules in force (schema {schema}).
- Outputs: logits of allow, throttle, block, isolate.
- Trained for {steps:,} decisions, seed {seed}, {guided}; the network of step {best:,}
  earned most on the validation captures and was kept. Families left unlabelled: {without}.
- Caution: logits divided by {heat:.3g}, and {nats:.3g} added to that of "allow", so that the
  guard's default floors lie where validation's legitimate flows bear them.
- Network: {network}, exported for {profile}: {exported}.

## What it does on captures that it never saw

{evaluated}: {flows:,} malicious and {legitimate:,} legitimate flows, replayed through the agent and
its guard. "After packets" is how many of a stopped flow passed, in the median.

{outcomes}

## What the export measured

{gates}

## Where it fails

- Attacks that look like use: a single malicious request, web attacks and exploits pass as any other
  request. Supply the alerts of an intrusion detection system (`--alerts`) to act on them.
- Families with a low share above, and whatever is unlike the traffic that it was trained on.
- Legitimate programs that behave like scanners (peer-to-peer, monitoring) are what it errs on most.
  Start in shadow mode and put on the allow-list what must never be touched.

## Make it again

`make train`, then `make export`; docs/gateway.md and docs/export.md have the details, and how to
add your own captures or learn from your analysts' verdicts. The manifest has all settings.
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a checkpoint comes from.

    Attributes:
        provenance: the checkpoint's own.
        training: of the run that made it, through all its fine-tunings.
    """

    provenance: Mapping[str, Any]
    training: Mapping[str, Any]

    @classmethod
    def of(cls, checkpoint: Path, provenance: Mapping[str, Any]) -> Origin:
        """What a checkpoint says of itself.

        Raises:
            PolicyError: it does not say enough.
        """
        about = provenance
        while "policy" in about:
            about = about["policy"]["provenance"]
        if "caution" not in about or "corpora_sha256" not in about:
            raise PolicyError(f"{checkpoint}: does not say how it was trained; train it again")
        return cls(provenance, about)

    @property
    def kind(self) -> str:
        """How the policy came to be: PPO had no part in a network that was best before it began."""
        operation = "" if self.training is self.provenance else ", fine-tuned in operation"
        if self.training["best_steps"]:
            return f"PPO on replayed traffic, {self.guided}{operation}"
        return f"{self.guided} on labelled traffic, which PPO did not better{operation}"

    @property
    def description(self) -> str:
        """A line for people."""
        names = sorted({Path(path).parent.name for path in self.training["corpora"]})
        return f"Trained on replayed traffic of {' and '.join(names)}: {self.kind}."

    @property
    def guided(self) -> str:
        """Who helped at the beginning, in words."""
        hindsight = "rehearsed by hindsight" if self.training["rehearsal"]["rehearsal"] else ""
        teacher = f"guided by {self.training['teacher']}" if self.training["teacher"] else ""
        return " and ".join(filter(None, (hindsight, teacher))) or "unguided"


def card(
    origin: Origin,
    *,
    name: str,
    profile: str,
    widths: Sequence[int],
    exported: str,
    found: Evaluation,
    evaluated: str,
    gates: Sequence[Gate],
) -> str:
    """Markdown.

    Args:
        origin: of the policy.
        name: of the policy.
        profile: that it is made for.
        widths: of the network, from inputs to outputs.
        exported: what the export did, in words.
        found: what the exported policy did on captures.
        evaluated: which those are, in words.
        gates: what was measured.
    """
    about = origin.training
    return _CARD.format(
        name=name, description=origin.description, features=len(FEATURES), schema=SCHEMA_HASH,
        steps=int(about["steps"]), seed=about["ppo"]["seed"], guided=origin.guided,
        best=int(about["best_steps"]), without=", ".join(about["without"]) or "none",
        heat=about["caution"]["heat"], nats=about["caution"]["nats"],
        network="-".join(map(str, widths)), profile=profile, exported=exported,
        evaluated=evaluated, flows=found.all_malicious.flows, legitimate=found.all_benign.flows,
        outcomes=_outcomes(found), gates=gates_table(gates),
    )  # fmt: skip


def gates_table(gates: Sequence[Gate]) -> str:
    """Markdown."""
    rows = [
        [each.name, f"{each.found:.6g} {each.unit}".strip(), _limit(each), each.note]
        for each in gates
    ]
    return table(["gate", "found", "limit", ""], rows)


def _limit(gate: Gate) -> str:
    return "–" if gate.limit is None else f"{gate.limit:.6g}"


def _outcomes(found: Evaluation) -> str:
    heads = ["family", "flows", "stopped", "throttled", "after packets", "bytes passed"]
    rows = [
        *_rows("**all malicious**", found.all_malicious, found.malicious),
        *_rows("**all legitimate**", found.all_benign, found.benign),
    ]
    return table(heads, rows)


def _rows(title: str, whole: Outcome, families: Mapping[str, Outcome]) -> list[list[str]]:
    return [_row(title, whole), *(_row(name, each) for name, each in families.items())]


def _row(name: str, each: Outcome) -> list[str]:
    packets = "–" if math.isnan(each.packets) else f"{each.packets:.0f}"
    return [
        name, f"{each.flows:,}", f"{each.stopped:.2%}", f"{each.throttled:.2%}",
        packets, f"{each.bytes_passed:.1%}",
    ]  # fmt: skip
