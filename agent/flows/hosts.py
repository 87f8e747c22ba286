"""HostTable: what each address has lately done, bounded in memory.

Compiled (types in ``hosts.pxd``). Rates are sliding-window counters: the running window's count
plus the previous one's, weighted by how much of it still lies within the window's length. Distinct
peers and ports are counted through bitmaps of 256 bits, so a scan of a million ports costs no more
memory than one connection; the counts saturate at 256 a window. When the table is full the host
that has been idle longest goes, and is counted in ``evictions``.
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
SHORT_COUNTERS = cython.declare(cython.int, COUNTERS.index("long_flows"))  # come first

# First words of the bitmaps in Host.seen.
PEERS = cython.declare(cython.int, 0)
PORTS = cython.declare(cython.int, 4)
SOURCES = cython.declare(cython.int, 8)
LONG_PEERS_SEEN = cython.declare(cython.int, 12)
LONG_PORTS_SEEN = cython.declare(cython.int, 16)
BITMAP_WORDS = cython.declare(cython.int, 20)

SHORT_NS = cython.declare(cython.longlong, 10_000_000_000)  # observation.SHORT_WINDOW_S
LONG_NS = cython.declare(cython.longlong, 600_000_000_000)  # observation.LONG_WINDOW_S
NS_PER_BYTE = cython.declare(cython.longlong, 80_000)  # 8 bits at 100 kbit/s
BURST_NS = cython.declare(cython.longlong, 240_000_000)  # a bucket of 3,000 bytes


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
            self.index.remove(self.index.oldest())
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
            for i in range(LONG_PEERS_SEEN):
                self.rows[row].seen[i] = 0
            self.rows[row].short_start_ns = now - gone % SHORT_NS
        gone = now - self.rows[row].long_start_ns
        if gone >= LONG_NS:
            for i in range(SHORT_COUNTERS, 16):
                self.rows[row].previous[i] = self.rows[row].current[i] if gone < 2 * LONG_NS else 0
                self.rows[row].current[i] = 0
            for i in range(LONG_PEERS_SEEN, BITMAP_WORDS):
                self.rows[row].seen[i] = 0
            self.rows[row].long_start_ns = now - gone % LONG_NS
            self.rows[row].level = 0

    def mark(self, row, word, value):
        """Set a value's bit in the bitmap that begins at ``word``; True where it was not set."""
        wide: cython.ulonglong = cython.cast(cython.ulonglong, value)
        bit: cython.ulonglong = (((wide ^ (wide >> 32)) * 40503) >> 12) & 255  # Knuth 6.4
        shift: cython.ulonglong
        word = word + (bit >> 6)
        shift = bit & 63
        if (self.rows[row].seen[word] >> shift) & 1:
            return False
        shift = cython.cast(cython.ulonglong, 1) << shift
        self.rows[row].seen[word] |= shift
        return True

    def opened(self, src, dst, src_address, dst_address, port, syn):
        """Count a new flow at its initiator ``src`` and its responder ``dst`` (both rolled)."""
        self.rows[src].current[SHORT_FLOWS] += 1
        self.rows[src].current[LONG_FLOWS] += 1
        if self.mark(src, PEERS, dst_address):
            self.rows[src].current[SHORT_PEERS] += 1
        if self.mark(src, LONG_PEERS_SEEN, dst_address):
            self.rows[src].current[LONG_PEERS] += 1
        if self.mark(src, PORTS, port):
            self.rows[src].current[SHORT_PORTS] += 1
        if self.mark(src, LONG_PORTS_SEEN, port):
            self.rows[src].current[LONG_PORTS] += 1
        self.rows[dst].current[SHORT_IN_FLOWS] += 1
        if self.mark(dst, SOURCES, src_address):
            self.rows[dst].current[SHORT_IN_SOURCES] += 1
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
        row: cython.int = self.index.find(hi, lo, 0, 0, 0)
        if not row:
            return False
        self.roll(row, now)
        self.rows[row].current[LONG_ALERTS] += weight
        self.rows[row].context = (self.rows[row].context + 1) & 255
        return True

    def index_of(self, hi: int, lo: int) -> int:
        """The row of an address in ``table``, or 0."""
        return self.index.find(hi, lo, 0, 0, 0)
