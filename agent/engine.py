"""Engine: one pass from packets to decisions. Replay and the daemon both call it.

Packets are followed one tick of packet time (1 s) at a go. All decision points of a tick see the
state as their own packet left it, but the verdicts of earlier ticks only: verdicts come into force
at the tick's end, as do the alerts of an intrusion detection system. So the result depends on the
packets alone, not on how they were cut into blocks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.alert_feed import AlertFeed, AlertSource
from agent.allowlist import AllowList, networks
from agent.capture.packets import PacketBatch
from agent.config import Settings
from agent.decision import Decisions, Rule
from agent.enforce.enforcer import Enforcer
from agent.flows.records import PointRow
from agent.flows.table import FlowTable
from agent.guard import Guard

_NS = 1_000_000_000


class Judge(Protocol):
    """What the engine asks at decision points: a `Policy`, or a stand-in for one."""

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, F)`` observations to ``(n, 4)`` logits, in the order of `Verdict`."""


class Engine:
    """Follows packets, asks the policy at every decision point, and guards what it says.

    Attributes:
        table: the flows, with the hosts, pairs and rules beside them; ``table.ended`` holds the
            flows that ended in the latest step.
        alerts: what became of the alerts; None where there is no source of them.
    """

    def __init__(
        self,
        settings: Settings,
        policy: Judge,
        enforcer: Enforcer,
        alerts: AlertSource | None = None,
    ) -> None:
        self._policy = policy
        self._guard = Guard(settings.guard)
        self._enforcer = enforcer
        self._allowed = AllowList.parse(settings.guard.allow)
        self._tick_ns = int(settings.tick_s * _NS)
        self._tick_end = 0
        self._pending: list[tuple[PointRow, Rule]] = []  # rules that the tick's end puts in force
        self._settling: list[tuple[NDArray[np.void], NDArray[np.uint8]]] = []  # by step
        self._bound: PacketBatch | None = None
        self.alerts: AlertFeed | None = None
        if alerts is not None:
            self.alerts = AlertFeed(alerts, settings.alerts.weight, self._tick_ns)
        self.table = FlowTable(
            settings.flows.capacity,
            settings.flows.idle_s,
            settings.flows.active_s,
            networks(settings.home_networks),
            self._allowed,
            # So that nobody can aim at one hash chain; no result depends on it.
            int.from_bytes(os.urandom(8)),
        )

    def name_interfaces(self, names: Sequence[str]) -> None:
        """Tell which interface each index in the batches stands for, for the allow-list."""
        for index, name in enumerate(names):
            self.table.allowed_interfaces[index] = name in self._allowed.interfaces

    def feed(self, batch: PacketBatch) -> Iterator[Decisions]:
        """Follow a batch; yields the decisions of each step, and steps in which flows ended."""
        table = self.table
        if batch is not self._bound:
            table.bind(batch)
            self._bound = batch
        at = 0
        while at < batch.n:
            at = table.update(at, batch.n, self._tick_end)
            if table.n_points or table.n_ended:
                yield self._decide()
            if at < batch.n and (now_ns := table.time_of(at)) >= self._tick_end:
                self._turn(now_ns // self._tick_ns * self._tick_ns)

    def finish(self) -> Iterator[Decisions]:
        """End all flows; yields steps without decisions, for what ``table.ended`` holds."""
        self._turn(self._tick_end)
        living = 1
        while living:
            living = self.table.drain()
            yield self._decide()

    def _decide(self) -> Decisions:
        n = self.table.n_points
        points = self.table.points[:n]
        observations = self.table.observations[:n]
        logits = self._policy.logits(observations) if n else np.zeros((0, 4), np.float32)
        proposed = logits.argmax(axis=1).astype(np.uint8)
        applied, reasons, rules = self._guard.apply(points, logits, proposed)
        acted = np.flatnonzero(applied)
        if len(acted):
            self._settling.append((points[acted], applied[acted]))
            self._pending += [(PointRow(*points[row].item()), rule) for row, rule in rules.items()]
        return Decisions(points, observations, logits, proposed, applied, reasons, rules)

    def _turn(self, start_ns: int) -> None:
        """End the tick: put what was decided in force, as seen from the one at ``start_ns``."""
        for point, rule in self._pending:
            self.table.put_in_force(rule.key, rule.verdict, rule.since_ns, rule.until_ns)
            self.table.hosts.acted(point.src_hi, point.src_lo, rule.verdict, self.table.now_ns)
        if self.alerts is not None:
            self.alerts.turn(self.table.hosts, self._tick_end, start_ns)
        for points, verdicts in reversed(self._settling):
            self.table.settle(points, verdicts)
        self._settling.clear()
        self._enforcer.apply(rule for _, rule in self._pending)
        self._pending.clear()
        self._tick_end = start_ns + self._tick_ns
