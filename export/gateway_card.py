"""A trained network as the bundle that a box loads, with a card that says what it is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.bundle import Bundle
from agent.observation import FEATURES, SCHEMA_HASH
from training.errors import PolicyError
from training.gateway.corpus import Corpus
from training.gateway.evaluate import Evaluation, Outcome
from training.gateway.policy import Logits, read
from training.gateway.recording import Recording
from training.policy_bundle import bundle
from training.provenance import sha256
from training.report import table

DESCRIPTION: Final = "Trained on replayed traffic of {corpora}: {kind}."
_CARD: Final = """# {name}

{description}

- Inputs: {features} features of a flow, its hosts, alerts and the rules in force (schema {schema}).
- Outputs: logits of allow, throttle, block, isolate.
- Trained for {steps:,} decisions, seed {seed}, {guided}; the network of step {best:,}
  earned most on the validation captures and was kept. Families left unlabelled: {without}.
- Caution: logits divided by {heat:.3g}, and {nats:.3g} added to that of "allow", so that the
  guard's default floors lie where validation's legitimate flows bear them.

## What it does on captures that it never saw

{evaluated}: {flows:,} malicious and {legitimate:,} legitimate flows, replayed through the agent and
its guard. "After packets" is how many of a stopped flow passed, in the median.

{outcomes}

## Where it fails

- Attacks that look like use: a single malicious request, web attacks and exploits pass as any other
  request. Supply the alerts of an intrusion detection system (`--alerts`) to act on them.
- Families with a low share above, and whatever is unlike the traffic that it was trained on.
- Legitimate programs that behave like scanners (peer-to-peer, monitoring) are what it errs on most.
  Start in shadow mode and put on the allow-list what must never be touched.

## Make it again

`make train`, then `sluice-train gateway bundle`; docs/gateway.md has the details, and how to add
your own captures or learn from your analysts' verdicts. The manifest has all settings.
"""


def make_bundle(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    recordings: Sequence[Recording],
    found: Evaluation,
    evaluated: str,
) -> Bundle:
    """Write a checkpoint as a bundle, and its public key beside it.

    Args:
        checkpoint: of `training.gateway.train`.
        out: the bundle.
        name: of the policy.
        recordings: whose legitimate observations are the ordinary state that explanations
            compare with.
        found: what the policy did on captures.
        evaluated: which those are, in words.

    Raises:
        PolicyError: the file is no checkpoint, or one of an older version.
        CorpusError: a corpus that it was trained on is gone.
    """
    network, _, provenance = read(checkpoint)
    about = _training(checkpoint, provenance)
    corpora = " and ".join(sorted({Path(path).parent.name for path in about["corpora"]}))
    kind = _kind(about, tuned=about is not provenance)
    description = DESCRIPTION.format(corpora=corpora, kind=kind)
    card = _CARD.format(
        name=name, description=description, features=len(FEATURES), schema=SCHEMA_HASH,
        steps=int(about["steps"]), seed=about["ppo"]["seed"], guided=_guided(about),
        best=int(about["best_steps"]), without=", ".join(about["without"]) or "none",
        heat=about["caution"]["heat"], nats=about["caution"]["nats"], evaluated=evaluated,
        flows=found.all_malicious.flows, legitimate=found.all_benign.flows,
        outcomes=_outcomes(found),
    )  # fmt: skip
    return bundle(
        out,
        Logits(network),
        name=name,
        kind=kind,
        description=description,
        baseline=ordinary(recordings),
        provenance={
            **provenance,
            "corpora_sha256": _digests(about["corpora"]),
            "evaluated": evaluated,
            "outcomes": found.as_json(),
        },
        model_card=card,
    )


def _digests(manifests: Sequence[str]) -> dict[str, str]:
    """SHA-256 of corpora's manifests, which hold those of all captures."""
    for manifest in manifests:
        Corpus.load(Path(manifest))
    return {manifest: sha256(Path(manifest)) for manifest in manifests}


def _training(checkpoint: Path, provenance: dict[str, Any]) -> dict[str, Any]:
    """What is known of the run that made a checkpoint, through all its fine-tunings.

    Raises:
        PolicyError: it does not say enough.
    """
    about = provenance
    while "policy" in about:
        about = about["policy"]["provenance"]
    if "caution" not in about:
        raise PolicyError(f"{checkpoint}: does not say how it was trained; train it again")
    return about


def _kind(about: Mapping[str, Any], *, tuned: bool) -> str:
    """How the policy came to be: PPO had no part in a network that was best before it began."""
    operation = ", fine-tuned in operation" if tuned else ""
    if about["best_steps"]:
        return f"PPO on replayed traffic, {_guided(about)}{operation}"
    return f"{_guided(about)} on labelled traffic, which PPO did not better{operation}"


def _guided(about: Mapping[str, Any]) -> str:
    """Who helped at the beginning, in words."""
    hindsight = "rehearsed by hindsight" if about["rehearsal"]["rehearsal"] else ""
    teacher = f"guided by {about['teacher']}" if about["teacher"] else ""
    return " and ".join(filter(None, (hindsight, teacher))) or "unguided"


def ordinary(recordings: Sequence[Recording]) -> NDArray[np.float32]:
    """The mean observation ``(F,)`` of legitimate flows."""
    total, count = np.zeros(len(FEATURES)), 0
    for each in recordings:
        legitimate = each.observations[each.label[each.flow] == 0]
        total += legitimate.sum(axis=0)
        count += len(legitimate)
    return (total / max(1, count)).astype(np.float32)


def _outcomes(found: Evaluation) -> str:
    """Markdown."""
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
