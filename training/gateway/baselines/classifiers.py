"""Classifiers of flows by what their first packets show, as policies.

They are fitted to flows that nobody stops. So they are not shown alerts and rules in force, of
which there are none, and what they say does not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agent.observation import FEATURES
from training.errors import CorpusError
from training.gateway.facts import facts_of
from training.gateway.recording import Recording

Method: TypeAlias = Literal["logistic regression", "gradient boosting"]

PACKETS: Final = 8
MOST: Final = 10_000
"""Decision points of a family that are fitted to: one scan has more than many families together."""

_SEEN: Final = [k for k, f in enumerate(FEATURES) if f.source not in ("alerts", "rules")]


class Examples(NamedTuple):
    """N decision points.

    Attributes:
        observations: ``(N, F)``.
        malicious: ``(N,)`` bool.
    """

    observations: NDArray[np.float32]
    malicious: NDArray[np.bool_]


def examples(
    recordings: Sequence[Recording], generator: np.random.Generator, packets: int = PACKETS
) -> Examples:
    """Decision points of labelled flows up to so many packets, at most `MOST` of each family.

    Raises:
        CorpusError: no flow is malicious, or none is legitimate.
    """
    parts = [_early(each, packets) for each in recordings]
    observations, labels, families = (np.concatenate(column) for column in zip(*parts, strict=True))
    if len(np.unique(labels)) < 2:
        raise CorpusError("classifiers need malicious and legitimate flows to be fitted to")
    order = generator.permutation(len(labels))
    chosen = [
        order[(labels[order] == label) & (families[order] == family)][:MOST]
        for label in (0, 1)
        for family in np.unique(families[labels == label])
    ]
    rows = np.concatenate(chosen)
    return Examples(observations[rows], labels[rows] == 1)


def _early(
    recording: Recording, packets: int
) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.str_]]:
    """Observations, labels and families of a recording's decision points that are fitted to."""
    facts, label = facts_of(recording.observations), recording.label[recording.flow]
    seen = np.rint(facts["packets_fwd"] + facts["packets_bwd"])
    early = (seen <= packets) & (label >= 0)
    return recording.observations[early], label[early], recording.family[recording.flow][early]


@dataclass(frozen=True, slots=True)
class Classifier:
    """A fitted model as a `training.gateway.baselines.thresholds.Signal`."""

    model: Any

    def __call__(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability that each flow is malicious: ``(n, F)`` to ``(n,)``."""
        found: NDArray[np.float64] = self.model.predict_proba(observations[:, _SEEN])
        return found[:, 1].astype(np.float32)


def fit(method: Method, found: Examples, seed: int) -> Classifier:
    """A classifier of examples; the seed is for what is drawn while it is fitted."""
    model = _unfitted(method, seed)
    return Classifier(model.fit(found.observations[:, _SEEN], found.malicious))


def _unfitted(method: Method, seed: int) -> Any:
    if method == "logistic regression":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    # Friedman 2001, "Greedy function approximation", on histograms; half of the features at each
    # split, for many of them tell the same.
    return HistGradientBoostingClassifier(max_features=0.5, early_stopping=False, random_state=seed)
