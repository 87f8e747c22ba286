"""Guard: what no policy may override.

After the policy and final, in this order: the allow-list; what is in force already; a budget of new
verdicts per minute; a least confidence per verdict; and a ladder of times to live, longer on each
repeat. Rules and strikes are remembered up to a cap, oldest first to go.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.config import GuardSettings
from agent.decision import Reason, Rule, RuleKey, RuleKind, Verdict
from agent.flows.records import PointRow

_NS = 1_000_000_000
_MINUTE_NS = 60 * _NS
_REMEMBERED = 65_536  # rule keys with strikes
_FORGIVEN_NS = 86_400 * _NS  # strikes are forgotten a day after the last rule's end


@dataclass(slots=True)
class _Record:
    """What is remembered of a rule key: how often it was in force, and until when."""

    strikes: int
    until_ns: int


class Guard:
    """Applies `GuardSettings` to a policy's verdicts, in the order of the decision points."""

    def __init__(self, settings: GuardSettings) -> None:
        self._settings = settings
        self._floors = floors_of(settings)
        self._records: OrderedDict[RuleKey, _Record] = OrderedDict()
        self._services: OrderedDict[tuple[int, int], int] = OrderedDict()  # blocks by peer
        self._minute = -1
        self._spent = 0

    def apply(
        self, points: NDArray[np.void], logits: NDArray[np.float32], proposed: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], dict[int, Rule]]:
        """Verdicts that may be enforced.

        Args:
            points: ``(n,)`` of `agent.flows.records.POINT`, in order of time.
            logits: ``(n, 4)``.
            proposed: ``(n,)``, the policy's verdicts.

        Returns:
            ``applied`` ``(n,)``, ``reasons`` ``(n,)``, and the new rules by row.
        """
        applied = np.zeros(len(points), np.uint8)
        reasons = np.zeros(len(points), np.uint8)
        rules: dict[int, Rule] = {}
        rows = np.flatnonzero(proposed)
        if len(rows) == 0:
            return applied, reasons, rules
        exempt = points["exempt"][rows] != 0
        reasons[rows[exempt]] = Reason.ALLOW_LIST
        rows = rows[~exempt]
        covered = points["in_force"][rows] >= proposed[rows]
        reasons[rows[covered]] = Reason.IN_FORCE
        applied[rows[covered]] = points["in_force"][rows[covered]]
        rows = rows[~covered]
        times = points["ts_ns"][rows]
        sure = None
        at = 0
        while at < len(rows):
            left = self._settings.new_verdicts_per_minute - self._spent_at(int(times[at]))
            if left <= 0:  # everything until the next minute, at one go
                end = int(np.searchsorted(times, (self._minute + 1) * _MINUTE_NS))
                reasons[rows[at:end]] = Reason.BUDGET
                at = max(end, at + 1)
                continue
            if sure is None:
                sure = sure_of(logits[rows], proposed[rows], self._floors)
            row = int(rows[at])
            verdict, reason, rule = self._judge(
                PointRow(*points[row].item()), Verdict(int(proposed[row])), Verdict(int(sure[at]))
            )
            applied[row], reasons[row] = verdict, reason
            if rule is not None:
                rules[row] = rule
                self._spent += 1
            at += 1
        return applied, reasons, rules

    def _spent_at(self, now_ns: int) -> int:
        minute = now_ns // _MINUTE_NS
        if minute != self._minute:
            self._minute, self._spent = minute, 0
        return self._spent

    def _judge(
        self, point: PointRow, proposed: Verdict, sure: Verdict
    ) -> tuple[Verdict, Reason, Rule | None]:
        """One verdict against what is in force, the policy's confidence and the ladder."""
        reason = Reason.POLICY if sure == proposed else Reason.CONFIDENCE
        if sure == Verdict.ALLOW:
            return sure, reason, None
        if sure == Verdict.ISOLATE and not (point.host_hi or point.host_lo):
            sure, reason = Verdict.BLOCK, Reason.NO_LOCAL_HOST
        now_ns = point.ts_ns
        if self._in_force(point, now_ns) >= sure:
            return sure, Reason.IN_FORCE, None
        return sure, reason, self._new_rule(point, sure, now_ns)

    def _in_force(self, point: PointRow, now_ns: int) -> Verdict:
        """The strongest verdict that covers a flow, counting rules made a moment ago."""
        for key, verdict in (
            (_host(point), Verdict.ISOLATE),
            (_peer(point), Verdict.BLOCK),
            (_service(point), Verdict.BLOCK),
            (_source(point), Verdict.THROTTLE),
        ):
            record = self._records.get(key)
            if record is not None and record.until_ns > now_ns:
                return verdict
        return Verdict.ALLOW

    def _new_rule(self, point: PointRow, verdict: Verdict, now_ns: int) -> Rule:
        if verdict == Verdict.ISOLATE:
            key = _host(point)
        elif verdict == Verdict.THROTTLE:
            key = _source(point)
        elif self._count_service(point) >= self._settings.services_before_peer:
            key = _peer(point)
        else:
            key = _service(point)
        record = self._records.pop(key, None)
        if record is None or now_ns - record.until_ns > _FORGIVEN_NS:
            record = _Record(0, 0)
        ladder = self._settings.ttl_s
        record.until_ns = now_ns + int(ladder[min(record.strikes, len(ladder) - 1)] * _NS)
        record.strikes += 1
        self._records[key] = record
        if len(self._records) > _REMEMBERED:
            self._records.popitem(last=False)
        return Rule(key, verdict, now_ns, record.until_ns)

    def _count_service(self, point: PointRow) -> int:
        """Blocks of a peer before this one."""
        peer = point.peer_hi, point.peer_lo
        before = self._services.pop(peer, 0)
        self._services[peer] = before + 1
        if len(self._services) > _REMEMBERED:
            self._services.popitem(last=False)
        return before


def floors_of(settings: GuardSettings) -> NDArray[np.float64]:
    """Least probabilities ``(3,)`` of throttle, block and isolate."""
    return np.array([settings.confidence[v] for v in list(Verdict)[1:]])


def sure_of(
    logits: NDArray[np.float32], proposed: NDArray[np.uint8], floors: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """The strongest verdicts, up to the proposed ones, that a policy is sure enough of.

    Sure of a verdict means: the probability of that verdict or a worse one reaches its floor.

    Args:
        logits: ``(n, 4)``.
        proposed: ``(n,)``.
        floors: ``(3,)``, of `floors_of`.
    """
    odds = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    at_least = np.cumsum(odds[:, ::-1], axis=1)[:, ::-1] / odds.sum(axis=1, keepdims=True)
    strength = np.arange(1, len(Verdict), dtype=np.uint8)
    fits = (at_least[:, 1:] >= floors) & (strength <= proposed[:, None])
    return np.asarray((fits * strength).max(axis=1), np.uint8)


def _host(point: PointRow) -> RuleKey:
    return RuleKey(RuleKind.ISOLATE_HOST, point.host_hi, point.host_lo)


def _peer(point: PointRow) -> RuleKey:
    return RuleKey(RuleKind.BLOCK_PEER, point.peer_hi, point.peer_lo)


def _service(point: PointRow) -> RuleKey:
    return RuleKey(RuleKind.BLOCK_SERVICE, point.peer_hi, point.peer_lo, point.proto, point.dport)


def _source(point: PointRow) -> RuleKey:
    return RuleKey(RuleKind.THROTTLE_SOURCE, point.source_hi, point.source_lo)
