"""Explain: what the agent saw of one flow, thought of it, and was allowed to do, step by step.

Which features moved a verdict is found by occlusion (Zeiler and Fergus 2014): one feature at a time
is set to the bundle's baseline, a typical harmless value, and the verdict's margin is taken again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.alerts import Alerts
from agent.capture.files import open_capture
from agent.config import Settings
from agent.decision import VERDICTS, Decisions, Reason, Rule, Verdict
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.errors import FlowNotFound
from agent.flow_key import FlowKey
from agent.observation import FEATURES, raw_values
from agent.policy import Policy, probabilities
from agent.replay import steps
from agent.words import describe

_MOST_STEPS: Final = 200  # over all flows of the key
_MOST_FLOWS: Final = 100
_TOP: Final = 6  # features a step


@dataclass(frozen=True, slots=True)
class Influence:
    """A feature's part in a verdict: by how much its value raised the margin, in logits."""

    name: str
    unit: str
    value: float  # in the unit
    baseline: float  # in the unit
    effect: float


@dataclass(frozen=True, slots=True)
class Step:
    """A decision point of the flow.

    Attributes:
        packets: of the flow so far, both ways.
        logits, probabilities: ``(4,)`` in the order of `Verdict`.
        against: the verdict that ``influences`` weigh ``proposed`` against.
        influences: of the features that moved the verdict most, the strongest first.
    """

    time_ns: int
    packets: int
    words: list[str]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    proposed: Verdict
    against: Verdict
    influences: list[Influence]
    applied: Verdict
    reason: Reason
    rule: Rule | None

    def as_json(self) -> dict[str, object]:
        """As ``--json`` prints it; times in ns since 1970."""
        return {
            "time_ns": self.time_ns,
            "packets": self.packets,
            "words": self.words,
            "logits": dict(zip(VERDICTS, self.logits.tolist(), strict=True)),
            "probabilities": dict(zip(VERDICTS, self.probabilities.tolist(), strict=True)),
            "proposed": self.proposed.label,
            "against": self.against.label,
            "influences": [
                {"name": i.name, "unit": i.unit, "value": i.value, "baseline": i.baseline}
                | {"effect": i.effect}
                for i in self.influences
            ],
            "applied": self.applied.label,
            "reason": self.reason.label,
            "rule": None if self.rule is None else str(self.rule.key),
            "rule_until_ns": None if self.rule is None else self.rule.until_ns,
        }


@dataclass(slots=True)
class ExplainedFlow:
    """One flow of the key. A flow that a rule stopped from its first packet has no steps."""

    serial: int
    key: FlowKey
    vlan: int
    steps: list[Step] = field(default_factory=list)
    first_ns: int = 0
    last_ns: int = 0
    packets: int = 0
    passed_packets: int = 0
    stopped_at: int = 0  # packets that had passed when it was first stopped
    worst: Verdict = Verdict.ALLOW  # strongest that was ever in force

    def as_json(self) -> dict[str, object]:
        """As ``--json`` prints it; times in ns since 1970."""
        return {
            "flow": self.serial,
            "key": str(self.key),
            "vlan": self.vlan,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "packets": self.packets,
            "passed_packets": self.passed_packets,
            "stopped_at": self.stopped_at if self.worst >= Verdict.BLOCK else None,
            "worst": self.worst.label,
            "steps": [step.as_json() for step in self.steps],
        }


@dataclass(slots=True)
class Explanation:
    """All flows of a key in a capture, in order; ``omitted`` counts the steps beyond the cap."""

    capture: Path
    policy: Policy
    key: FlowKey
    flows: list[ExplainedFlow] = field(default_factory=list)
    omitted: int = 0
    omitted_flows: int = 0
    damage: str | None = None

    def as_json(self) -> dict[str, object]:
        """As ``--json`` prints it."""
        return {
            "capture": str(self.capture),
            "key": str(self.key),
            "policy": {
                "name": self.policy.bundle.manifest.name,
                "sha256": self.policy.bundle.digest,
            },
            "flows": [flow.as_json() for flow in self.flows],
            "omitted_steps": self.omitted,
            "omitted_flows": self.omitted_flows,
            "damaged": [self.damage] if self.damage else [],
        }


def explain_flow(
    capture: Path,
    flow_key_text: str,
    settings: Settings,
    policy: Policy,
    progress: Callable[[int, int], None] = lambda done, size: None,
    alerts: Alerts | None = None,
) -> Explanation:
    """Replay a capture and explain each decision point of the flows with a key.

    Args:
        flow_key_text: as `FlowKey.parse` reads it; either way round.

    Raises:
        ConfigError: the key is no flow key.
        FlowNotFound: no flow has it; names the nearest.
        CaptureError: the capture cannot be opened, or is none.
    """
    follower = _Follower(capture, FlowKey.parse(flow_key_text), policy)
    engine = Engine(settings, policy, Recorder(), alerts)
    with open_capture(capture) as reader:
        for decisions in steps(reader, engine, lambda done: progress(done, reader.size)):
            follower.add(decisions)
            follower.end(engine.table.ended[: engine.table.n_ended])
    explanation = follower.explanation
    if not explanation.flows:
        raise FlowNotFound(f"{capture}: no flow {explanation.key}; {follower.nearest.advice()}")
    explanation.flows.sort(key=lambda flow: flow.serial)
    explanation.damage = str(reader.damage) if reader.damage else None
    return explanation


def influences(
    policy: Policy, observation: NDArray[np.float32], proposed: Verdict, against: Verdict
) -> list[Influence]:
    """The features that moved ``logit[proposed] − logit[against]`` most, by occlusion.

    Args:
        observation: ``(F,)`` as the policy sees it.
    """
    baseline = np.array(policy.bundle.manifest.baseline, np.float32)
    occluded = np.where(np.eye(len(FEATURES), dtype=bool), baseline, observation)
    logits = policy.logits(np.vstack([observation, occluded]).astype(np.float32))
    margins = (logits[:, proposed] - logits[:, against]).astype(np.float64)
    effects = margins[0] - margins[1:]
    values, harmless = raw_values(np.stack([observation, baseline]))
    return [
        Influence(
            FEATURES[i].name,
            FEATURES[i].unit,
            float(values[i]),
            float(harmless[i]),
            float(effects[i]),
        )
        for i in np.argsort(-np.abs(effects), kind="stable")[:_TOP].tolist()
        if effects[i]
    ]


class _Follower:
    """Gathers the flows of a key from the engine's steps."""

    def __init__(self, capture: Path, key: FlowKey, policy: Policy) -> None:
        self.explanation = Explanation(capture, policy, key)
        self.nearest = _Nearest(key)
        self._flows: dict[int, ExplainedFlow] = {}  # by serial
        self._steps = 0

    def add(self, decisions: Decisions) -> None:
        """Explain the decision points of one step that have the key."""
        for row in np.flatnonzero(self.explanation.key.matches(decisions.points)):
            flow = self._flow(decisions.points[row])
            if flow is None or self._steps == _MOST_STEPS:
                self.explanation.omitted += 1
                continue
            self._steps += 1
            flow.steps.append(_step(self.explanation.policy, decisions, int(row)))

    def end(self, flows: NDArray[np.void]) -> None:
        """Note how flows ended (`agent.flows.records.FLOW`)."""
        for row in flows[self.explanation.key.matches(flows)]:
            flow = self._flow(row)
            if flow is None:
                self.explanation.omitted_flows += 1
                continue
            flow.first_ns, flow.last_ns = int(row["first_ns"]), int(row["last_ns"])
            flow.packets = int(row["packets_fwd"]) + int(row["packets_bwd"])
            flow.passed_packets = int(row["passed_packets"])
            flow.stopped_at = int(row["stopped_at"])
            flow.worst = Verdict(int(row["worst"]))
        if not self._flows:
            self.nearest.add(flows)

    def _flow(self, row: np.void) -> ExplainedFlow | None:
        """The flow of a row; None beyond the cap."""
        serial = int(row["serial"])
        if serial not in self._flows and len(self._flows) < _MOST_FLOWS:
            self._flows[serial] = ExplainedFlow(serial, FlowKey.of(row), int(row["vlan"]))
            self.explanation.flows.append(self._flows[serial])
        return self._flows.get(serial)


def _step(policy: Policy, decisions: Decisions, row: int) -> Step:
    logits = decisions.logits[row].copy()
    proposed = Verdict(int(decisions.proposed[row]))
    # An allowed flow is weighed against the verdict that came next, any other against allow.
    runner_up = Verdict(1 + int(logits[1:].argmax()))
    against = Verdict.ALLOW if proposed else runner_up
    return Step(
        time_ns=int(decisions.points["ts_ns"][row]),
        packets=int(decisions.points["packets"][row]),
        words=describe(decisions.observations[row]),
        logits=logits,
        probabilities=probabilities(logits),
        proposed=proposed,
        against=against,
        influences=influences(policy, decisions.observations[row], proposed, against),
        applied=Verdict(int(decisions.applied[row])),
        reason=Reason(int(decisions.reasons[row])),
        rule=decisions.rules.get(row),
    )


class _Nearest:
    """The flows that share most with a key that was not found: hosts first, then ports."""

    _KEPT = 3

    def __init__(self, key: FlowKey) -> None:
        self._key = key
        self._best: list[tuple[int, int, str]] = []  # likeness, negated serial, text

    def add(self, flows: NDArray[np.void]) -> None:
        """Look at ended flows (`agent.flows.records.FLOW`)."""
        likeness = self._likeness(flows)
        for row in np.argsort(-likeness, kind="stable")[: self._KEPT]:
            if likeness[row]:
                key = str(FlowKey.of(flows[row]))
                self._best.append((int(likeness[row]), -int(flows["serial"][row]), key))
        self._best = sorted(self._best, reverse=True)[: self._KEPT]

    def _likeness(self, flows: NDArray[np.void]) -> NDArray[np.int64]:
        """0 where no host is shared; a host counts more than all else together."""
        likeness = np.zeros(len(flows), np.int64)
        for address in {self._key.src, self._key.dst}:
            hi, lo = address
            for end in ("src", "dst"):
                likeness += 8 * ((flows[f"{end}_hi"] == hi) & (flows[f"{end}_lo"] == lo))
        shared = likeness > 0
        likeness += flows["proto"] == self._key.proto
        for port in {self._key.sport, self._key.dport}:
            likeness += 2 * ((flows["sport"] == port) | (flows["dport"] == port))
        return likeness * shared

    def advice(self) -> str:
        """The end of the error's line."""
        if not self._best:
            return "neither of its hosts is in the capture"
        return "the nearest are " + ", ".join(dict.fromkeys(text for *_, text in self._best))
