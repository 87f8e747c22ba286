"""Fragments: the protocol and ports of first fragments, which the others of a packet lack.

Compiled (types in ``fragments.pxd``). Bounded: where two packets meet in a slot, the later counts.
"""

import cython
import numpy as np

SLOTS = 4096  # 12 bits of the hash

GOLDEN = cython.declare(cython.ulonglong, 0x9E3779B1)  # 2^32 over the golden ratio
LOW32 = cython.declare(cython.ulonglong, 0xFFFFFFFF)


class Fragments:
    """Remembers first fragments from batch to batch, in a direct-mapped cache."""

    def __init__(self) -> None:
        # Of a first fragment: its addresses, its key, and its protocol and ports.
        self.rows = np.zeros((SLOTS, 6), np.uint64).data

    def remember(self, frame):
        """A first fragment leaves its protocol and ports for the others."""
        row: cython.Py_ssize_t = frame.row
        slot: cython.Py_ssize_t = self.slot(frame)
        value: cython.ulonglong = frame.proto[row]
        value = value << 16 | frame.sport[row]
        value = value << 16 | frame.dport[row]
        self.rows[slot, 0] = frame.src_hi[row]
        self.rows[slot, 1] = frame.src_lo[row]
        self.rows[slot, 2] = frame.dst_hi[row]
        self.rows[slot, 3] = frame.dst_lo[row]
        self.rows[slot, 4] = frame.key
        self.rows[slot, 5] = value

    def recall(self, frame):
        """Another fragment takes them, unless a collision made the cache forget."""
        row: cython.Py_ssize_t = frame.row
        slot: cython.Py_ssize_t = self.slot(frame)
        value: cython.ulonglong
        if (
            self.rows[slot, 0] == frame.src_hi[row]
            and self.rows[slot, 1] == frame.src_lo[row]
            and self.rows[slot, 2] == frame.dst_hi[row]
            and self.rows[slot, 3] == frame.dst_lo[row]
            and self.rows[slot, 4] == frame.key
        ):
            value = self.rows[slot, 5]
            frame.proto[row] = value >> 32
            frame.sport[row] = value >> 16 & 0xFFFF
            frame.dport[row] = value & 0xFFFF

    def slot(self, frame):
        """Multiplicative hashing (Knuth, 6.4) of addresses and key to 12 bits."""
        row: cython.Py_ssize_t = frame.row
        word: cython.ulonglong = mix(0, frame.key)
        word = mix(word, frame.src_hi[row])
        word = mix(word, frame.src_lo[row])
        word = mix(word, frame.dst_hi[row])
        word = mix(word, frame.dst_lo[row])
        return word >> 20


def mix(word, more):
    """32 bits, kept so by masks: Python's integers do not wrap."""
    return ((word ^ more ^ more >> 32) & LOW32) * GOLDEN & LOW32
