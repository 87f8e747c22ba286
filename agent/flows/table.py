"""FlowTable: bidirectional flows, their state and their decision points, bounded in memory.

Compiled (types in ``table.pxd``). One pass over the packets follows flows, hosts, pairs and the
rules in force, because each packet may change what the next one's observation says. Verdicts come
back between calls of `update`, never within one, so results do not depend on how packets are cut
into blocks. Time is the packets' time; where it runs backwards it stands still.

A flow is keyed by its 5-tuple in either direction and its VLAN tags. It ends after ``idle_s``
without a packet, after ``active_s`` in all, when a new SYN follows its FINs or RST, or when the
table is full: then the flow idle for longest gives way, and is counted in ``evictions``.
"""

import cython
import numpy as np
from numpy.typing import NDArray

from agent import observation
from agent.allowlist import AllowList
from agent.capture.packets import PacketBatch
from agent.decision import RuleKey
from agent.flows.capacity import Capacity
from agent.flows.counter import Counter
from agent.flows.hosts import HostTable
from agent.flows.index import Index
from agent.flows.observer import Observer
from agent.flows.pairs import PairTable
from agent.flows.records import FLOW, POINT
from agent.flows.rules import RuleTable

TCP = cython.declare(cython.int, 6)
FIN = cython.declare(cython.int, 0x01)
SYN = cython.declare(cython.int, 0x02)
RST = cython.declare(cython.int, 0x04)
ACK = cython.declare(cython.int, 0x10)

VLAN_MASK = cython.declare(cython.ulonglong, 0xFFFFFF)  # two tags of 12 bits
MASK32 = cython.declare(cython.uint, 0xFFFFFFFF)

LATEST_NS = cython.declare(cython.longlong, 1 << 62)  # room for timeouts before 2^63

REDECIDE_NS = cython.declare(cython.longlong, 5_000_000_000)


class FlowTable:
    """Follows packets; collects decision points and ended flows until they are taken.

    Args:
        capacity: the most flows, hosts, pairs and rules at one time.
        idle_s, active_s: timeouts in seconds.
        home: ``(n, 4)`` uint64, home networks as address and mask words.
        allowed: flows that no verdict may touch.
        seed: of the hashes; no result depends on it.
        batch: the most decision points, and ended flows, of one call of `update`.

    After `update`, the first ``n_points`` rows of ``points`` (`records.POINT`) and of
    ``observations`` (float32, ``(batch, features)``) are its decision points, and the first
    ``n_ended`` rows of ``ended`` (`records.FLOW`) the flows that ended. The next call reuses them.
    Without ``collects_ended`` flows end unseen, which is quicker.
    """

    def __init__(
        self,
        capacity: Capacity,
        idle_s: float,
        active_s: float,
        home: NDArray[np.uint64],
        allowed: AllowList,
        seed: int,
        batch: int = 4096,
    ) -> None:
        self.index = Index(capacity.flows, seed)
        self.table = np.zeros(capacity.flows + 1, FLOW)
        self.rows = self.table.view(np.recarray)
        self.points = np.zeros(batch, POINT)
        self.point_rows = self.points.view(np.recarray)
        self.ended = np.zeros(batch, FLOW)
        self.ended_rows = self.ended.view(np.recarray)
        self.observations = np.zeros((batch, len(observation.FEATURES)), np.float32)
        self.hosts = HostTable(capacity.hosts, seed, home, allowed.networks)
        self.pairs = PairTable(capacity.pairs, seed)
        self.rules = RuleTable(capacity.rules, seed, self.rows)
        self.counter = Counter(self.rows, self.hosts, self.pairs)
        self.observer = Observer(
            self.rows, self.hosts, self.pairs, self.rules, self.point_rows, self.observations
        )
        self.port_allowed = memoryview(allowed.ports)
        self.macs_allowed = memoryview(allowed.macs)
        self.allowed_interfaces = np.zeros(65536, np.uint8)
        self.interface_allowed = memoryview(self.allowed_interfaces)
        self.idle_ns = int(idle_s * 1e9)
        self.active_ns = int(active_s * 1e9)
        self.now_ns = 0
        self.flows = 0
        self.evictions = 0
        self.n_points = 0
        self.n_ended = 0
        self.collects_ended = True

    def bind(self, batch: PacketBatch) -> None:
        """Take the columns that the next calls of `update` read (they may be refilled in place)."""
        self.ts = memoryview(batch.ts)
        self.status = memoryview(batch.status)
        self.src_mac = memoryview(batch.src_mac)
        self.src_hi = memoryview(batch.src_hi)
        self.src_lo = memoryview(batch.src_lo)
        self.dst_hi = memoryview(batch.dst_hi)
        self.dst_lo = memoryview(batch.dst_lo)
        self.vlan = memoryview(batch.vlan)
        self.sport = memoryview(batch.sport)
        self.dport = memoryview(batch.dport)
        self.proto = memoryview(batch.proto)
        self.tcp = memoryview(batch.flags)
        self.interface = memoryview(batch.interface)
        self.ip_bytes = memoryview(batch.ip_bytes)
        self.payload = memoryview(batch.payload)
        self.window = memoryview(batch.window)
        self.seq = memoryview(batch.seq)
        self.icmp = memoryview(batch.icmp)

    def update(self, start: int, end: int, until_ns: int) -> int:
        """Follow packets ``start`` to ``end`` of the bound batch.

        Stops early before the first packet at or after ``until_ns``, or when a buffer is full.

        Returns:
            The first packet that was not consumed; ``end`` when all were.
        """
        i: cython.Py_ssize_t = start
        stop: cython.Py_ssize_t = end
        limit: cython.longlong = until_ns
        points: cython.Py_ssize_t = len(self.points)
        now: cython.longlong
        row: cython.int
        oldest: cython.int
        forward: cython.bint
        self.n_points = 0
        self.n_ended = 0
        while i < stop:
            if self.status[i]:
                i += 1
                continue
            now = self.time_of(i)
            if now >= limit or self.n_points == points:
                break
            oldest = self.index.oldest()
            while oldest and now - self.rows[oldest].last_ns >= self.idle_ns:
                if self.n_ended == points:
                    return i
                self.end(oldest)
                oldest = self.index.oldest()
            if self.n_ended + 2 > points:  # room for a flow that ends and one that gives way
                break
            self.now_ns = now
            row = self.find_or_open(i, now)
            forward = (
                self.rows[row].sport == self.sport[i]
                and self.rows[row].src_lo == self.src_lo[i]
                and self.rows[row].src_hi == self.src_hi[i]
            )
            self.meet_hosts(row, i, now, forward)
            self.counter.count(
                row, now, forward, self.ip_bytes[i], self.payload[i], self.tcp[i], self.window[i],
                self.seq[i], self.icmp[i],
            )  # fmt: skip
            self.enforce(row, i, now)
            if self.is_decision_point(row, now):
                self.rows[row].decided_ns = now
                self.rows[row].context_seen = self.hosts.rows[self.rows[row].src_host].context
                self.observer.write(row, now, self.n_points)
                self.n_points += 1
            i += 1
        return i

    def time_of(self, i: cython.Py_ssize_t) -> cython.longlong:
        """The time at which packet ``i`` counts: not before the latest one, nor after 2116."""
        now: cython.longlong = self.ts[i]
        if now < self.now_ns:
            return self.now_ns
        return LATEST_NS if now > LATEST_NS else now

    def drain(self) -> int:
        """End living flows, oldest idle first, into ``ended``; returns how many still live."""
        self.n_points = 0
        self.n_ended = 0
        while self.index.size and self.n_ended < len(self.ended_rows):
            self.end(self.index.oldest())
        return self.index.size

    def put_in_force(self, key: RuleKey, verdict: int, since: int, until: int) -> None:
        """Put a rule in force from ``since`` to ``until`` (ns); the next packets will find it."""
        kind, hi, lo, proto, port = key
        self.rules.enforce(kind, hi, lo, proto, port, verdict, since, until)
        host: cython.int = self.hosts.index.find(hi, lo, 0, 0, 0)
        if host:
            self.hosts.rows[host].rules += 1
        else:  # a remote /64, or a host that was forgotten
            self.rules.version += 1

    def settle(self, points: NDArray[np.void], verdicts: NDArray[np.uint8]) -> None:
        """Note the verdicts of decision points, in their order, at the flows that still live.

        What was followed of a flow since the first point that stopped it does not count as passed.
        """
        points, verdicts = points[::-1], verdicts[::-1]  # of several for one flow the first stays
        alive = self.table["serial"][points["row"]] == points["serial"]
        rows, verdicts = points["row"][alive], verdicts[alive]
        stops = verdicts >= 2
        passed = points["passed_packets"][alive]
        known = self.table["worst"][rows] >= 2  # of several stops the first has passed least
        earliest = np.where(known, np.minimum(self.table["stopped_at"][rows], passed), passed)
        self.table["stopped_at"][rows[stops]] = earliest[stops]
        self.table["worst"][rows] = np.maximum(self.table["worst"][rows], verdicts)
        for field in ("passed_packets", "passed_bytes"):
            self.table[field][rows[stops]] = points[field][alive][stops]

    def find_or_open(self, i, now):
        """The row of packet ``i``'s flow, which may be new."""
        low_hi: cython.ulonglong = self.src_hi[i]
        low_lo: cython.ulonglong = self.src_lo[i]
        high_hi: cython.ulonglong = self.dst_hi[i]
        high_lo: cython.ulonglong = self.dst_lo[i]
        low_port: cython.ulonglong = self.sport[i]
        high_port: cython.ulonglong = self.dport[i]
        last: cython.ulonglong = self.vlan[i]
        row: cython.int
        if low_hi > high_hi or (
            low_hi == high_hi and (low_lo > high_lo or (low_lo == high_lo and low_port > high_port))
        ):
            low_hi, high_hi = high_hi, low_hi
            low_lo, high_lo = high_lo, low_lo
            low_port, high_port = high_port, low_port
        last = low_port << 48 | high_port << 32 | (last & VLAN_MASK) << 8 | self.proto[i]
        row = self.index.find(low_hi, low_lo, high_hi, high_lo, last)
        if row and self.is_over(row, i, now):
            self.end(row)
            row = 0
        if row:
            self.index.touch(row)
            return row
        if self.index.size == self.index.capacity:
            self.evictions += 1
            self.end(self.index.oldest())
        row = self.index.insert(low_hi, low_lo, high_hi, high_lo, last)
        self.begin(row, i, now)
        return row

    def is_over(self, row, i, now):
        """Whether packet ``i`` begins another flow on the key of this one."""
        fwd: cython.int = self.rows[row].tcp_fwd
        bwd: cython.int = self.rows[row].tcp_bwd
        if now - self.rows[row].first_ns >= self.active_ns:
            return True
        if self.proto[i] != TCP or self.tcp[i] & (SYN | ACK) != SYN:
            return False
        return ((fwd | bwd) & RST) != 0 or (fwd & bwd & FIN) != 0

    def begin(self, row, i, now):
        """Fill the row of a new flow; a SYN-ACK that comes first was sent by the responder."""
        turned: cython.bint
        self.rows[row] = self.rows[0]
        self.flows += 1
        self.rows[row].serial = self.flows
        turned = self.proto[i] == TCP and self.tcp[i] & (SYN | ACK) == SYN | ACK
        self.rows[row].src_hi = self.dst_hi[i] if turned else self.src_hi[i]
        self.rows[row].src_lo = self.dst_lo[i] if turned else self.src_lo[i]
        self.rows[row].dst_hi = self.src_hi[i] if turned else self.dst_hi[i]
        self.rows[row].dst_lo = self.src_lo[i] if turned else self.dst_lo[i]
        self.rows[row].sport = self.dport[i] if turned else self.sport[i]
        self.rows[row].dport = self.sport[i] if turned else self.dport[i]
        self.rows[row].proto = self.proto[i]
        self.rows[row].vlan = self.vlan[i]
        self.rows[row].src_mac = self.src_mac[i]
        self.rows[row].interface = self.interface[i]
        self.rows[row].first_ns = now
        self.rows[row].last_ns = now
        self.rows[row].last_fwd_ns = now
        self.rows[row].decided_ns = now
        self.rows[row].window_fwd = -1
        self.rows[row].window_bwd = -1

    def is_exempt(self, row):
        """Whether the allow-list names one of a new flow's ends, its service or its interface."""
        return (
            self.hosts.rows[self.rows[row].src_host].exempt
            or self.hosts.rows[self.rows[row].dst_host].exempt
            or self.port_allowed[self.rows[row].dport]
            or self.interface_allowed[self.rows[row].interface]
        ) != 0

    def sent_by_exempt(self, i):
        """Whether the allow-list names the sender of packet ``i`` by its MAC address."""
        k: cython.Py_ssize_t
        for k in range(self.macs_allowed.shape[0]):
            if self.macs_allowed[k] == self.src_mac[i]:
                return True
        return False

    def end(self, row):
        """Free a flow's row; keep a copy in ``ended``, which has room, if anybody will look."""
        if self.collects_ended:
            self.ended_rows[self.n_ended] = self.rows[row]
            self.n_ended += 1
        self.rows[row].serial = 0
        self.index.remove(row)

    def meet_hosts(self, row, i, now, forward):
        """Find the hosts of packet ``i``'s two ends; count the flow there if it is new."""
        src: cython.int = self.rows[row].src_host
        dst: cython.int = self.rows[row].dst_host
        is_new: cython.bint = src == 0
        if is_new or self.hosts.rows[src].generation != self.rows[row].src_generation:
            if forward:
                src = self.hosts.acquire(self.src_hi[i], self.src_lo[i], now)
            else:
                src = self.hosts.acquire(self.dst_hi[i], self.dst_lo[i], now)
            self.rows[row].src_host = src
            self.rows[row].src_generation = self.hosts.rows[src].generation
            self.rows[row].rules_seen = 0
        self.hosts.touch(src, now)
        if is_new or self.hosts.rows[dst].generation != self.rows[row].dst_generation:
            if forward:
                dst = self.hosts.acquire(self.dst_hi[i], self.dst_lo[i], now)
            else:
                dst = self.hosts.acquire(self.src_hi[i], self.src_lo[i], now)
            self.rows[row].dst_host = dst
            self.rows[row].dst_generation = self.hosts.rows[dst].generation
            self.rows[row].rules_seen = 0
        self.hosts.touch(dst, now)
        if is_new:
            self.meet_pair(row, i, now)

    def meet_pair(self, row, i, now):
        """Count a new flow at its hosts and its pair."""
        src: cython.int = self.rows[row].src_host
        dst: cython.int = self.rows[row].dst_host
        pair: cython.int
        self.hosts.roll(src, now)
        self.hosts.roll(dst, now)
        self.hosts.opened(
            src,
            dst,
            self.rows[row].src_hi,
            self.rows[row].src_lo,
            self.rows[row].dst_hi,
            self.rows[row].dst_lo,
            self.rows[row].dport,
            self.proto[i] == TCP and (self.tcp[i] & SYN) != 0,
        )
        pair = self.pairs.opened(
            self.rows[row].src_hi,
            self.rows[row].src_lo,
            self.rows[row].dst_hi,
            self.rows[row].dst_lo,
            self.rows[row].dport,
            self.rows[row].proto,
            now,
        )
        self.rows[row].exempt = self.is_exempt(row)
        self.rows[row].pair = pair
        self.rows[row].pair_generation = self.pairs.rows[pair].generation

    def enforce(self, row, i, now):
        """Look up the rules on the flow if they changed; let the packet pass, wait or stop."""
        src: cython.int = self.rows[row].src_host
        delay: cython.longlong
        version: cython.uint
        if not self.rows[row].exempt and self.sent_by_exempt(i):
            self.rows[row].exempt = 1
            self.rows[row].verdict = 0
        version = (
            self.rules.version
            + self.hosts.rows[src].rules
            + self.hosts.rows[self.rows[row].dst_host].rules
        ) & MASK32
        if not self.rows[row].exempt and (
            self.rows[row].rules_seen != version
            or (self.rows[row].verdict and self.rows[row].until_ns <= now)
        ):
            self.rules.name(
                row, self.hosts.rows[src].local, self.hosts.rows[self.rows[row].dst_host].local
            )
            self.rules.cover(row, now)
            self.rows[row].rules_seen = version
            self.rows[row].verdict = self.rules.verdict
            self.rows[row].src_verdict = self.rules.src_verdict
            self.rows[row].since_ns = self.rules.since_ns
            self.rows[row].until_ns = self.rules.until_ns
            if self.rules.verdict > self.rows[row].worst:
                if self.rules.verdict >= 2 and self.rows[row].worst < 2:
                    self.rows[row].stopped_at = self.rows[row].passed_packets
                self.rows[row].worst = self.rules.verdict
        if self.rows[row].verdict >= 2:
            return
        self.rows[row].passed_packets += 1
        self.rows[row].passed_bytes += self.ip_bytes[i]
        if self.rows[row].verdict == 1:
            delay = self.hosts.throttle(src, now, self.ip_bytes[i])
            self.rows[row].delay_ns += delay
            self.rows[row].throttled_packets += 1

    def is_decision_point(self, row, now):
        """After packets 1, 2, 4, 8 …, then every 5 s, and when the initiator's context changed.

        A flow that a rule already stops needs no decision.
        """
        n: cython.uint = self.rows[row].packets_fwd + self.rows[row].packets_bwd
        src: cython.int = self.rows[row].src_host
        if self.rows[row].verdict >= 2:
            return False
        return (
            n & (n - 1) == 0
            or now - self.rows[row].decided_ns >= REDECIDE_NS
            or self.hosts.rows[src].context != self.rows[row].context_seen
        )
