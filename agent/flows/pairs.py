"""PairTable: how often, how regularly and how much an initiator has used a service.

Compiled (types in ``pairs.pxd``). A pair is an initiator, a responder, a protocol and the
responder's port. Regular starts show a beacon, many short flows a brute force, bytes to a new pair
an exfiltration. Bounded like the host table: the pair unused for longest goes.
"""

import cython
import numpy as np

from agent.flows.index import Index
from agent.flows.records import PAIR


class PairTable:
    """Rows of `agent.flows.records.PAIR`; see `HostTable` for the arguments."""

    def __init__(self, capacity, seed):
        self.index = Index(capacity, seed)
        self.table = np.zeros(capacity + 1, PAIR)
        self.rows = self.table.view(np.recarray)
        self.evictions = 0

    def opened(self, src_hi, src_lo, dst_hi, dst_lo, port, proto, now):
        """Count a new flow of a pair; returns its row."""
        last: cython.ulonglong = cython.cast(cython.ulonglong, port) << 8
        row: cython.int
        generation: cython.uint
        gap: cython.double
        delta: cython.double
        last |= cython.cast(cython.ulonglong, proto)
        row = self.index.find(src_hi, src_lo, dst_hi, dst_lo, last)
        if not row:
            if self.index.size == self.index.capacity:
                self.index.remove(self.index.oldest())
                self.evictions += 1
            row = self.index.insert(src_hi, src_lo, dst_hi, dst_lo, last)
            generation = self.rows[row].generation
            self.rows[row] = self.rows[0]
            self.rows[row].generation = generation + 1
            self.rows[row].first_ns = now
            self.rows[row].last_ns = now
            self.rows[row].count = 1
            return row
        self.index.touch(row)
        self.rows[row].count += 1
        gap = now - self.rows[row].last_ns
        delta = gap - self.rows[row].gap_mean
        self.rows[row].gap_mean += delta / (self.rows[row].count - 1)
        self.rows[row].gap_m2 += delta * (gap - self.rows[row].gap_mean)
        self.rows[row].last_ns = now
        return row
