"""HostTable: what each address has lately done, bounded in memory.

Compiled (types in ``hosts.pxd``). Rates are sliding-window counters: the running window's count
plus the previous one's, weighted by how much of it still lies within the window's length. Distinct
peers and ports are counted exactly, up to 256 a window, beyond which none is remembered: a scan of
a million ports takes no more memory than one of 256. The first of a window lies in the host's row,
the others in a table that all hosts share. When the host table is full the host that has been idle
longest goes with all that it held, and is counted in ``evictions``.
"""

import cython
import numpy as np

from agent.flows.index import Index
from agent.flows.records import COUNTERS, HOST

SHORT_FLOWS = cython.declare(cython.int, COUNTERS.index("short_flows"))
SHORT_PEERS = cython.declare(cython.int, COUNTERS.index("short_peers"))
SHORT_PORTS = cython.declare(cython.int, COUNTERS.index("short_ports"))
SHORT_IN_FLOWS = cython.declare(cython.int, COUNTERS.index("short_in_flows"))
SHORT_IN_SOURCES = cython.declare(cython.int, COUNTERS.index("short_in_sources"))
SHORT_IN_SYNS = cython.declare(cython.int, COUNTERS.index("short_in_syns"))
LONG_FLOWS = cython.declare(cython.int, COUNTERS.index("long_flows"))
LONG_PEERS = cython.declare(cython.int, COUNTERS.index("long_peers"))
LONG_PORTS = cython.declare(cython.int, COUNTERS.index("long_ports"))
LONG_ALERTS = cython.declare(cython.int, COUNTERS.index("long_alerts"))
LONG_VERDICTS = cython.declare(cython.int, COUNTERS.index("long_verdicts"))
SHORT_COUNTERS = cython.declare(cython.int, COUNTERS.index("long_flows"))  # come first

# The sets of distinct values that each host has: those of the short window come first.
PEERS = cython.declare(cython.int, 0)
PORTS = cython.declare(cython.int, 1)
SOURCES = cython.declare(cython.int, 2)
PEERS_IN_LONG = cython.declare(cython.int, 3)
PORTS_IN_LONG = cython.declare(cython.int, 4)
SETS = cython.declare(cython.int, 5)

MOST = cython.declare(cython.double, 256.0)  # distinct values of a window: observation.FEATURES
OTHERS_PER_HOST = cython.declare(cython.int, 8)  # on average; `Capacity` says what they take

SHORT_NS = cython.declare(cython.longlong, 10_000_000_000)  # observation.SHORT_WINDOW_S
LONG_NS = cython.declare(cython.longlong, 600_000_000_000)  # observation.LONG_WINDOW_S
NS_PER_BYTE = cython.declare(cython.longlong, 80_000)  # 8 bits at 100 kbit/s
BURST_NS = cython.declare(cython.longlong, 240_000_000)  # a bucket of 3,000 bytes


class DistinctSets:
    """Sets of 128-bit values that share one table, so that all memory is taken up front.

    When it is full the value that was unused for longest is forgotten, and is counted in
    ``evictions``: its set may then count it a second time.

    Args:
        sets: how many there are; they are numbered from 0.
        capacity: the most values of all of them together.
        seed: of the hash; no result depends on it.
    """

    def __init__(self, sets, capacity, seed):
        self.index = Index(capacity, seed)
        self.evictions = 0
        self.heads = memoryview(np.zeros(sets, np.int32))
        self.next = memoryview(np.zeros(capacity + 1, np.int32))  # of the same set
        self.previous = memoryview(np.zeros(capacity + 1, np.int32))

    def add(self, owner, hi, lo):
        """Put a value into a set; True where it was not there."""
        row: cython.int = self.index.find(owner, hi, lo, 0, 0)
        head: cython.int
        if row:
            self.index.touch(row)
            return False
        if self.index.size == self.index.capacity:
            self.remove(self.index.oldest())
            self.evictions += 1
        row = self.index.insert(owner, hi, lo, 0, 0)
        head = self.heads[owner]
        self.next[row] = head
        self.previous[row] = 0
        self.previous[head] = row  # that of row 0, which is no value, is never read
        self.heads[owner] = row
        return True

    def remove(self, row):
        """Take a value out of its set."""
        owner: cython.Py_ssize_t = self.index.keys[row, 0]
        if self.heads[owner] == row:
            self.heads[owner] = self.next[row]
        else:
            self.next[self.previous[row]] = self.next[row]
        self.previous[self.next[row]] = self.previous[row]
        self.index.remove(row)

    def clear(self, owner):
        """Empty a set."""
        while self.heads[owner]:
            self.remove(self.heads[owner])


class HostTable:
    """Rows of `agent.flows.records.HOST`, by address.

    Args:
        capacity: the most hosts that are remembered; at least 2, the ends of one flow.
        seed: of the hash; no result depends on it.
        home, allowed: ``(n, 4)`` uint64, networks as address and mask, two words each.
    """

    def __init__(self, capacity, seed, home, allowed):
        self.index = Index(capacity, seed)
        self.table = np.zeros(capacity + 1, HOST)
        self.rows = self.table.view(np.recarray)
        # What is counted as distinct, beyond each set's first, which lies in the row.
        self.others = DistinctSets(SETS * (capacity + 1), OTHERS_PER_HOST * capacity, seed)
        self.evictions = 0
        self.home = memoryview(home)
        self.allowed = memoryview(allowed)

    def within(self, networks, hi, lo):
        """Whether an address is in one of the networks."""
        i: cython.int
        for i in range(networks.shape[0]):
            if (hi & networks[i, 2]) == networks[i, 0] and (lo & networks[i, 3]) == networks[i, 1]:
                return True
        return False

    def acquire(self, hi, lo, now):
        """The row of an address, made if need be; the longest idle one gives way to it."""
        row: cython.int = self.index.find(hi, lo, 0, 0, 0)
        generation: cython.uint
        if row:
            return row
        if self.index.size == self.index.capacity:
            row = self.index.oldest()
            self.forget(row, 0, SETS)
            self.index.remove(row)
            self.evictions += 1
        row = self.index.insert(hi, lo, 0, 0, 0)
        generation = self.rows[row].generation
        self.rows[row] = self.rows[0]
        self.rows[row].generation = generation + 1
        self.rows[row].first_ns = now
        self.rows[row].last_ns = now
        self.rows[row].short_start_ns = now
        self.rows[row].long_start_ns = now
        self.rows[row].local = self.within(self.home, hi, lo)
        self.rows[row].exempt = self.within(self.allowed, hi, lo)
        return row

    def touch(self, row, now):
        """Note that a host was seen at ``now``."""
        self.rows[row].last_ns = now
        self.index.touch(row)

    def roll(self, row, now):
        """Move the windows on to ``now``; to be called before anything is counted or read."""
        i: cython.int
        gone: cython.longlong = now - self.rows[row].short_start_ns
        if gone >= SHORT_NS:
            for i in range(SHORT_COUNTERS):
                self.rows[row].previous[i] = self.rows[row].current[i] if gone < 2 * SHORT_NS else 0
                self.rows[row].current[i] = 0
            self.forget(row, 0, PEERS_IN_LONG)
            self.rows[row].short_start_ns = now - gone % SHORT_NS
        gone = now - self.rows[row].long_start_ns
        if gone >= LONG_NS:
            for i in range(SHORT_COUNTERS, 16):
                self.rows[row].previous[i] = self.rows[row].current[i] if gone < 2 * LONG_NS else 0
                self.rows[row].current[i] = 0
            self.forget(row, PEERS_IN_LONG, SETS)
            self.rows[row].long_start_ns = now - gone % LONG_NS
            self.rows[row].level = 0

    def forget(self, row, first, end):
        """Empty a host's sets ``first`` to ``end`` of what lies outside its row."""
        i: cython.int
        for i in range(first, end):
            self.others.clear(row * SETS + i)

    def mark(self, row, counter, which, hi, lo):
        """Count a value that is not yet in set ``which`` of the running window, up to MOST."""
        count: cython.double = self.rows[row].current[counter]
        if count >= MOST:
            return
        if count == 0.0:
            self.rows[row].first_hi[which] = hi
            self.rows[row].first_lo[which] = lo
        elif (
            self.rows[row].first_lo[which] == lo and self.rows[row].first_hi[which] == hi
        ) or not self.others.add(row * SETS + which, hi, lo):
            return
        self.rows[row].current[counter] = count + 1.0

    def opened(self, src, dst, src_hi, src_lo, dst_hi, dst_lo, port, syn):
        """Count a new flow at its initiator ``src`` and its responder ``dst`` (both rolled)."""
        self.rows[src].current[SHORT_FLOWS] += 1
        self.rows[src].current[LONG_FLOWS] += 1
        self.mark(src, SHORT_PEERS, PEERS, dst_hi, dst_lo)
        self.mark(src, LONG_PEERS, PEERS_IN_LONG, dst_hi, dst_lo)
        self.mark(src, SHORT_PORTS, PORTS, 0, port)
        self.mark(src, LONG_PORTS, PORTS_IN_LONG, 0, port)
        self.rows[dst].current[SHORT_IN_FLOWS] += 1
        self.mark(dst, SHORT_IN_SOURCES, SOURCES, src_hi, src_lo)
        if syn:
            self.rows[dst].current[SHORT_IN_SYNS] += 1
        self.raise_level(src)

    def raise_level(self, row):
        """Note in ``context`` when fan-out passes 8, 32 or 128 peers or ports in a long window."""
        fan: cython.double = self.rows[row].current[LONG_PEERS]
        if self.rows[row].current[LONG_PORTS] > fan:
            fan = self.rows[row].current[LONG_PORTS]
        level: cython.int = 0
        if fan >= 8:
            level = 1
        if fan >= 32:
            level = 2
        if fan >= 128:
            level = 3
        if level > self.rows[row].level:
            self.rows[row].level = level
            self.rows[row].context = (self.rows[row].context + 1) & 255

    def recent(self, row, counter, now):
        """A sliding-window count at ``now`` (the row rolled)."""
        rest: cython.double
        if self.rows[row].previous[counter] == 0.0:
            return self.rows[row].current[counter]
        if counter < SHORT_COUNTERS:
            rest = 1.0 - (now - self.rows[row].short_start_ns) / cython.cast(
                cython.double, SHORT_NS
            )
        else:
            rest = 1.0 - (now - self.rows[row].long_start_ns) / cython.cast(cython.double, LONG_NS)
        return self.rows[row].current[counter] + self.rows[row].previous[counter] * rest

    def throttle(self, row, now, size):
        """Latency in ns that a 100 kbit/s token bucket adds to a packet of ``size`` bytes.

        A packet that finds no tokens waits until there are; the bucket belongs to the host.
        """
        bucket: cython.longlong = self.rows[row].bucket_ns
        if bucket < now:
            bucket = now
        bucket += size * NS_PER_BYTE
        self.rows[row].bucket_ns = bucket
        return bucket - now - BURST_NS if bucket - now > BURST_NS else 0

    def alert(self, hi: int, lo: int, weight: float, now: int) -> bool:
        """Count an alert on an address at ``now`` (ns); False where the host is not remembered."""
        return self.note(hi, lo, LONG_ALERTS, weight, now)

    def acted(self, hi: int, lo: int, verdict: int, now: int) -> bool:
        """Count a rule on what an address began, as `alert`.

        It is kept apart from alerts, and does not make suspect who is talked to: that both ends of
        a flow have begun something that was stopped is no evidence from anybody else.
        """
        return self.note(hi, lo, LONG_VERDICTS, verdict, now)

    def note(self, hi, lo, counter, weight, now):
        """Add to a counter of an address, so that the policy is asked about it again."""
        row: cython.int = self.index.find(hi, lo, 0, 0, 0)
        if not row:
            return False
        self.roll(row, now)
        self.rows[row].current[counter] += weight
        self.rows[row].context = (self.rows[row].context + 1) & 255
        return True

    def index_of(self, hi: int, lo: int) -> int:
        """The row of an address in ``table``, or 0."""
        return self.index.find(hi, lo, 0, 0, 0)
