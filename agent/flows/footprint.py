"""Footprint: the bytes that the tables of a `Capacity` take, known before any is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.flows.capacity import Capacity
from agent.flows.records import FLOW, HOST, PAIR, POINT, RULE
from agent.observation import FEATURES

# Of the compiled index.py and hosts.py, whose constants Python cannot see; a test compares the sums
# with what the tables allocate.
_KEY: Final = 5 * 8 + 3 * 4  # bytes of a row of an index: its key, and three links
_BUCKET: Final = 4
_OTHERS_PER_HOST: Final = 8
_LINKS_OF_OTHER: Final = 2 * 4
_SETS_PER_HOST: Final = 5
_HEAD_OF_SET: Final = 4


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes by table, when every entry is in use.

    Attributes:
        flows, hosts, pairs, rules: the tables, with their indices.
        passes: buffers of the decision points, observations and ended flows of one pass.
    """

    flows: int
    hosts: int
    pairs: int
    rules: int
    passes: int

    @classmethod
    def of(cls, capacity: Capacity, batch: int) -> Footprint:
        """The footprint of a capacity, with passes of at most ``batch`` decision points."""
        others = _OTHERS_PER_HOST * capacity.hosts
        sets = _SETS_PER_HOST * (capacity.hosts + 1)
        return cls(
            flows=_rows(capacity.flows, FLOW.itemsize),
            hosts=_rows(capacity.hosts, HOST.itemsize)
            + _rows(others, _LINKS_OF_OTHER)
            + _HEAD_OF_SET * sets,
            pairs=_rows(capacity.pairs, PAIR.itemsize),
            rules=_rows(capacity.rules, RULE.itemsize),
            passes=batch * (POINT.itemsize + FLOW.itemsize + 4 * len(FEATURES)),
        )

    @property
    def total(self) -> int:
        """Bytes of all of them."""
        return self.flows + self.hosts + self.pairs + self.rules + self.passes


def _rows(capacity: int, row_bytes: int) -> int:
    """An index of ``capacity`` keys and the rows beside it; row 0 holds none."""
    buckets = 1 << (2 * capacity - 1).bit_length()
    return (capacity + 1) * (row_bytes + _KEY) + _BUCKET * buckets
