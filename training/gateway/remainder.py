"""What remains of flows after moments in a replay, and the replay that stops there to look."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.capture.files import CaptureReader
from agent.capture.packets import PacketBatch
from agent.decision import Decisions, Verdict
from agent.labels import Labels, label_of
from agent.tally import Family
from training.gateway.ids import Pair, Raised, counted_at, pair_of
from training.gateway.through import Through

_SUMS: Final = ("packets_fwd", "packets_bwd", "ip_bytes", "passed_packets", "passed_bytes")


class Remainder:
    """Adds up what remains of flows after a moment that depends on their pair of hosts.

    A flow's row says how much passed in all. What had passed by the moment is taken from the row as
    it was then, and corrected by what came to be known of it when its tick ended: the first verdict
    that stops a flow in a tick stops all of it from then on.

    Attributes:
        starts: the moments, ns since 1970, with the pairs for which each is.
        families: what remained of flows, by family.
    """

    def __init__(
        self, alerts: Iterable[Raised], tick_ns: int, moment: Callable[[int], int]
    ) -> None:
        self.starts: defaultdict[int, set[Pair]] = defaultdict(set)
        self.families: dict[str, Family] = {}
        self._tick_ns = tick_ns
        self._tick = -1
        self._stops: dict[int, tuple[int, int]] = {}  # of this tick, by the flow's serial
        self._begun: set[Pair] = set()
        self._before: dict[int, np.void] = {}  # rows by serial
        known: set[Pair] = set()
        for alert in alerts:
            start_ns = moment(alert.time_ns)
            if alert.pair not in known and start_ns < alert.until_ns:
                self.starts[start_ns].add(alert.pair)
            known.add(alert.pair)

    def begin(self, time_ns: int, table: NDArray[np.void]) -> None:
        """All packets up to ``time_ns`` have been followed; ``table`` has the living flows."""
        pairs = self.starts.get(time_ns)
        if not pairs:
            return
        self._turn(time_ns)
        self._begun |= pairs
        for row in table[table["serial"] > 0]:
            if pair_of(row) in pairs:
                serial = int(row["serial"])
                self._before[serial] = row.copy()
                if serial in self._stops:
                    self._lower(serial, *self._stops[serial])

    def note(self, decisions: Decisions) -> None:
        """Take verdicts that stop flows into account."""
        points = decisions.points
        if len(points):
            self._turn(int(points["ts_ns"][0]))
        for point in points[decisions.applied >= Verdict.BLOCK]:
            serial = int(point["serial"])
            passed = int(point["passed_packets"]), int(point["passed_bytes"])
            self._stops.setdefault(serial, passed)
            if serial in self._before:
                self._lower(serial, *passed)

    def _turn(self, time_ns: int) -> None:
        """Forget the verdicts of an earlier tick: rows have them in their sums."""
        if time_ns // self._tick_ns != self._tick:
            self._tick = time_ns // self._tick_ns
            self._stops.clear()

    def _lower(self, serial: int, packets: int, size: int) -> None:
        row = self._before[serial]
        row["passed_packets"] = min(int(row["passed_packets"]), packets)
        row["passed_bytes"] = min(int(row["passed_bytes"]), size)

    def end(self, flows: NDArray[np.void], labels: Labels) -> None:
        """Count ended flows (`agent.flows.records.FLOW`)."""
        for flow in flows:
            if pair_of(flow) not in self._begun:
                continue
            before = self._before.pop(int(flow["serial"]), None)
            rest = flow.copy()
            if before is not None:
                for name in _SUMS:
                    rest[name] -= before[name]
            label = label_of(labels, flow)
            if label is not None and label.malicious and rest["packets_fwd"] + rest["packets_bwd"]:
                self.families.setdefault(label.family, Family()).add(rest)


class Pausing(Through):
    """A reader whose batches end at some moments, too, with a call at each of them."""

    def __init__(
        self, reader: CaptureReader, moments: Iterable[int], reached: Callable[[int], None]
    ) -> None:
        super().__init__(reader)
        self._moments = deque(sorted(moments))
        self._reached = reached

    def batches(self) -> Iterator[PacketBatch]:
        """Packets in order; a batch is valid until the next is asked for."""
        latest_ns = 0
        for batch in self._reader.batches():
            times = counted_at(batch, latest_ns)
            latest_ns = int(times.max(initial=latest_ns))
            at = 0
            while self._moments and self._moments[0] < latest_ns:
                until = int(np.searchsorted(times, self._moments[0], side="right"))
                if until > at:
                    yield _part(batch, at, until)
                    at = until
                self._reached(self._moments.popleft())  # the engine is done with what it was given
            yield _part(batch, at, batch.n)


def _part(batch: PacketBatch, start: int, end: int) -> PacketBatch:
    """Rows ``start`` to ``end`` of a batch, as views."""
    if (start, end) == (0, batch.n):
        return batch
    columns = {f.name: getattr(batch, f.name)[start:end] for f in fields(batch) if f.name != "n"}
    return PacketBatch(**columns, n=end - start)
