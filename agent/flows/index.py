"""Index: keys of five 64-bit words to rows, in order of use, with all memory taken up front.

Compiled (types in ``index.pxd``). A chained hash table with a seeded hash, so that nobody can aim
at one chain, whose rows also form a circular list from the longest unused to the latest used; row 0
is the head of that list and never holds a key, so 0 means "none".
"""

import cython
import numpy as np


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def word(value: cython.ulonglong) -> cython.ulonglong:
    """A 64-bit word as it is; uncompiled, a Python integer, which numpy's cannot overflow."""
    return cython.cast(cython.ulonglong, value)


class Index:
    """Rows 1 to ``capacity``; what a row holds is the caller's affair."""

    def __init__(self, capacity: int, seed: int) -> None:
        buckets = 1 << (2 * capacity - 1).bit_length()
        self.capacity = capacity
        self.size = 0
        self.top = 0  # rows ever used
        self.free = 0  # first of the freed rows, chained
        self.bucket_mask = buckets - 1
        self.mask = 0xFFFFFFFFFFFFFFFF
        self.seed = seed & 0xFFFFFFFFFFFFFFFF
        self.factor = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio (Knuth 6.4)
        self.keys = memoryview(np.zeros((capacity + 1, 5), np.uint64))
        self.heads = memoryview(np.zeros(buckets, np.int32))
        self.chain = memoryview(np.zeros(capacity + 1, np.int32))
        self.newer = memoryview(np.zeros(capacity + 1, np.int32))
        self.older = memoryview(np.zeros(capacity + 1, np.int32))

    def bucket(self, a, b, c, d, e):
        """The chain of a key: multiply and shift, word by word."""
        h: cython.ulonglong = self.seed
        h = ((h ^ word(a)) * self.factor) & self.mask
        h = ((h ^ (h >> 29) ^ word(b)) * self.factor) & self.mask
        h = ((h ^ (h >> 29) ^ word(c)) * self.factor) & self.mask
        h = ((h ^ (h >> 29) ^ word(d)) * self.factor) & self.mask
        h = ((h ^ (h >> 29) ^ word(e)) * self.factor) & self.mask
        return (h ^ (h >> 32)) & self.bucket_mask

    def find(self, a, b, c, d, e):
        """The row of a key, or 0."""
        row: cython.int = self.heads[self.bucket(a, b, c, d, e)]
        while row:
            if (
                self.keys[row, 4] == e
                and self.keys[row, 1] == b
                and self.keys[row, 3] == d
                and self.keys[row, 0] == a
                and self.keys[row, 2] == c
            ):
                return row
            row = self.chain[row]
        return 0

    def insert(self, a, b, c, d, e):
        """A row for a key that is not there yet, as the latest used; needs ``size < capacity``."""
        bucket: cython.Py_ssize_t = self.bucket(a, b, c, d, e)
        row: cython.int = self.free
        if row:
            self.free = self.chain[row]
        else:
            self.top += 1
            row = self.top
        self.keys[row, 0] = a
        self.keys[row, 1] = b
        self.keys[row, 2] = c
        self.keys[row, 3] = d
        self.keys[row, 4] = e
        self.chain[row] = self.heads[bucket]
        self.heads[bucket] = row
        self.link(row)
        self.size += 1
        return row

    def remove(self, row):
        """Free a row that holds a key."""
        bucket: cython.Py_ssize_t = self.bucket(
            self.keys[row, 0],
            self.keys[row, 1],
            self.keys[row, 2],
            self.keys[row, 3],
            self.keys[row, 4],
        )
        at: cython.int = self.heads[bucket]
        if at == row:
            self.heads[bucket] = self.chain[row]
        else:
            while self.chain[at] != row:
                at = self.chain[at]
            self.chain[at] = self.chain[row]
        self.unlink(row)
        self.chain[row] = self.free
        self.free = row
        self.size -= 1

    def link(self, row):
        """Put a row at the latest end of the list."""
        latest: cython.int = self.older[0]
        self.older[row] = latest
        self.newer[row] = 0
        self.newer[latest] = row
        self.older[0] = row

    def unlink(self, row):
        """Take a row out of the list."""
        self.newer[self.older[row]] = self.newer[row]
        self.older[self.newer[row]] = self.older[row]

    def touch(self, row):
        """Make a row the latest used."""
        if self.older[0] != row:
            self.unlink(row)
            self.link(row)

    def oldest(self):
        """The longest unused row, or 0."""
        return self.newer[0]
