"""Policy v0: a small MLP that imitates the gateway playbook.

The playbook plays on captures in the engine, as a policy would, so that the observations are those
of its own consequences; the network then learns its distribution by cross-entropy, which is KL up
to a constant. This is imitation, not reinforcement learning, and the manifest says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agent.capture.files import open_capture
from agent.config import Settings
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.errors import NotACapture
from agent.observation import FEATURES, NAMES, raw_values
from agent.replay import steps
from training.gateway.playbook import advise, rule_weights

FloatArray = NDArray[np.float32]


class PlaybookPolicy:
    """The playbook in the place of a policy: the logits are its log-probabilities."""

    def logits(self, observations: FloatArray) -> FloatArray:
        """``(n, F)`` to ``(n, 4)``."""
        return np.log(advice_on(observations) + 1e-6)


def facts_of(observations: FloatArray) -> dict[str, NDArray[np.float64]]:
    """Observations ``(n, F)`` as the columns that the playbook reads, in their units."""
    raw = raw_values(observations)
    return {name: raw[:, k] for k, name in enumerate(NAMES)}


def advice_on(observations: FloatArray) -> FloatArray:
    """The playbook's distributions on observations: ``(n, F)`` to ``(n, 4)``."""
    return advise(facts_of(observations)).astype(np.float32)


def observe(
    capture: Path, most: int, generator: np.random.Generator, settings: Settings | None = None
) -> FloatArray:
    """Observations of a capture under the playbook, at most ``most``, drawn evenly.

    Raises:
        NotACapture: the file is none.
    """
    engine = Engine(settings or Settings(), PlaybookPolicy(), Recorder())
    with open_capture(capture) as reader:
        rows = [step.observations.copy() for step in steps(reader, engine) if len(step.points)]
    observations = np.concatenate(rows) if rows else np.zeros((0, len(FEATURES)), np.float32)
    if len(observations) > most:
        observations = observations[np.sort(generator.choice(len(observations), most, False))]
    return observations


@dataclass(frozen=True, slots=True)
class Dataset:
    """Observations of many captures, split by capture."""

    train: FloatArray
    held_out: FloatArray
    sha256: dict[str, str]  # of the captures, by name
    held_out_captures: list[str]


def collect(
    captures: Sequence[Path],
    seed: int,
    most_per_capture: int = 4000,
    progress: Callable[[int], None] = lambda n: None,
) -> Dataset:
    """Observe captures; one in five, by the hash of its bytes, is held out."""
    generator = np.random.default_rng(seed)
    parts: dict[bool, list[FloatArray]] = {False: [], True: []}
    hashes: dict[str, str] = {}
    held_out: list[str] = []
    for done, capture in enumerate(captures):
        try:
            observations = observe(capture, most_per_capture, generator)
        except NotACapture:
            continue  # the corpus of odd files has some on purpose
        digest = hashlib.sha256(capture.read_bytes()).hexdigest()
        name = f"{capture.parent.name}/{capture.name}"
        hashes[name] = digest
        is_held_out = int(digest[:8], 16) % 5 == 0
        if is_held_out:
            held_out.append(name)
        parts[is_held_out].append(observations)
        progress(done + 1)
    if not parts[False]:  # too few captures to keep one back
        parts, held_out = {False: parts[True], True: []}, []
    empty = np.zeros((0, len(FEATURES)), np.float32)
    return Dataset(
        np.concatenate([empty, *parts[False]]),
        np.concatenate([empty, *parts[True]]),
        hashes,
        held_out,
    )


def recombine(observations: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Flows of some observations in the contexts of others: ``(n, F)`` to ``(n, F)``.

    Features of one source stay together. The playbook can be asked about any state, so the network
    need not be limited to the combinations that a few captures happen to hold.
    """
    mixed = observations.copy()
    sources = [feature.source for feature in FEATURES]
    for source in dict.fromkeys(s for s in sources if s != "flow"):
        columns = [k for k, s in enumerate(sources) if s == source]
        mixed[:, columns] = observations[generator.permutation(len(observations))][:, columns]
    return mixed


def rehearse(observations: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Recombined states in which every rule applies as often: about ``(n, F)``.

    Rules that captures seldom set off would otherwise be learned last, or never.
    """
    pool = np.concatenate([recombine(observations, generator) for _ in range(8)])
    weights = rule_weights(facts_of(pool))
    share = len(observations) // weights.shape[1]
    chosen = [generator.choice(len(pool), share)]
    for weight in weights.T:
        applies = np.flatnonzero(weight > 0.05)
        if len(applies):
            chosen.append(generator.choice(applies, share))
    return pool[np.concatenate(chosen)]


def mlp(hidden: Sequence[int]) -> nn.Sequential:
    """Observations to logits, ``(n, F)`` to ``(n, 4)``, ReLU between."""
    widths = [len(FEATURES), *hidden]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 4))


def imitate(
    observations: FloatArray,
    hidden: Sequence[int],
    epochs: int,
    seed: int,
    batch: int = 1024,
    learning_rate: float = 2e-3,
    progress: Callable[[int], None] = lambda epoch: None,
) -> nn.Sequential:
    """Fit an MLP to the playbook's distributions by cross-entropy (Adam, cosine schedule).

    About as many recombined observations as real ones are added, see `rehearse`.
    """
    torch.manual_seed(seed)
    model = mlp(hidden)
    generator = np.random.default_rng(seed)
    observations = np.concatenate([observations, rehearse(observations, generator)])
    x = torch.from_numpy(observations)
    y = torch.from_numpy(advice_on(observations))
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        for rows in torch.split(torch.randperm(len(x)), batch):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
        progress(epoch + 1)
    return model


def score(model: nn.Module, observations: FloatArray) -> dict[str, float]:
    """Agreement of the verdicts, and mean KL(playbook ‖ model) in nats."""
    wanted = torch.from_numpy(advice_on(observations))
    with torch.no_grad():
        log_probs = model(torch.from_numpy(observations)).log_softmax(dim=1)
    agree = (log_probs.argmax(1) == wanted.argmax(1)).float()
    acts = wanted.argmax(1) > 0
    return {
        "observations": float(len(observations)),
        "agreement": float(agree.mean()),
        "agreement_where_playbook_acts": float(agree[acts].mean()),
        "kl_nats": float(nn.functional.kl_div(log_probs, wanted, reduction="batchmean")),
    }
