"""Labels of flows: which flows of a capture are malicious, and of which family.

A label file is a CSV with the columns of ``REQUIRED``, in any order; others are ignored::

    start_ts,src,sport,dst,dport,proto,label,family
    1700000000.25,192.168.1.20,50211,198.51.100.7,443,6,benign,web

``start_ts`` is the flow's first packet in UNIX seconds, ``proto`` the IP protocol number, ``label``
is ``benign`` or ``malicious``. Protocols without ports have 0 for both.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np

from agent.addresses import words
from agent.errors import LabelError

REQUIRED = ("start_ts", "src", "sport", "dst", "dport", "proto", "label", "family")

_TOLERANCE_NS = 1_000_000_000  # a row may start this much after its flow
_CAPTURE_SUFFIXES = (".pcap", ".pcapng")

# A row is one byte string, the flow's key and its start: rows then sort and bisect by comparing
# memory, and each costs 80 bytes.
_START_BYTES = 8
_START_BIAS = 1 << 63  # makes instants before 1970 sort before those after it


@dataclass(frozen=True, slots=True)
class Label:
    """What an analyst, or whoever made the traffic, says of a flow."""

    malicious: bool
    family: str


class Flow(NamedTuple):
    """What a flow is known by, as ``FlowLabels.match`` asks for it: ``match(*flow)``.

    Addresses are (high, low) words; ports are 0 where the protocol has none; ``start_ns`` is the
    first packet's time, ns since 1970.
    """

    src: tuple[int, int]
    sport: int
    dst: tuple[int, int]
    dport: int
    proto: int
    start_ns: int


class Labels(Protocol):
    """The labels of one capture's flows."""

    def match(
        self,
        src: tuple[int, int],
        sport: int,
        dst: tuple[int, int],
        dport: int,
        proto: int,
        start_ns: int,
    ) -> Label | None:
        """The label of a flow that ``src`` opened, or ``None``; arguments as in `Flow`."""


def label_of(labels: Labels, flow: np.void) -> Label | None:
    """The label of a flow that was followed, a row of `agent.flows.records.FLOW`."""
    return labels.match(
        (int(flow["src_hi"]), int(flow["src_lo"])),
        int(flow["sport"]),
        (int(flow["dst_hi"]), int(flow["dst_lo"])),
        int(flow["dport"]),
        int(flow["proto"]),
        int(flow["first_ns"]),
    )


class FlowLabels:
    """`Labels` from rows, or one label for all."""

    def __init__(self, rows: list[tuple[bytes, Label]], every: Label | None = None) -> None:
        """From packed rows (see ``read``), or ``every`` flow alike (see ``whole_capture``)."""
        rows.sort(key=lambda row: row[0])
        self._rows = [row for row, _ in rows]
        self._labels = [label for _, label in rows]
        self._every = every

    @classmethod
    def of(cls, flows: Iterable[tuple[Flow, Label]]) -> Self:
        """Labels that come from elsewhere than our own files."""
        shared: dict[Label, Label] = {}
        return cls(
            [
                (_key(*flow[:5]) + _pack_start(flow.start_ns), shared.setdefault(label, label))
                for flow, label in flows
            ]
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a label file.

        Raises ``LabelError``, naming file and line, where the file or one of its rows is unusable.
        """
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                return cls(list(_rows(path, csv.reader(file))))
        except OSError as error:
            raise LabelError(
                f"{path}: cannot be read ({error.strerror}); check the path"
            ) from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise LabelError(f"{path}: no CSV in UTF-8 ({error}); save it as one") from error

    @classmethod
    def whole_capture(cls, malicious: bool, family: str) -> Self:
        """Labels of a capture whose every flow is of one family."""
        return cls([], Label(malicious, family))

    def match(
        self,
        src: tuple[int, int],
        sport: int,
        dst: tuple[int, int],
        dport: int,
        proto: int,
        start_ns: int,
    ) -> Label | None:
        """The label of the flow whose first packet was at ``start_ns`` (ns since 1970).

        Of the rows with its 5-tuple, in either direction, that start before it or up to 1 s after
        it, the nearest counts. Addresses are (high, low) words; without such a row, ``None``.
        """
        if self._every is not None:
            return self._every
        key = _key(src, sport, dst, dport, proto)
        after = bisect_right(self._rows, key + _pack_start(start_ns))
        candidates = [i for i in (after - 1, after) if self._has_key(i, key)]
        distance = {i: abs(start_ns - _unpack_start(self._rows[i])) for i in candidates}
        if after in distance and distance[after] > _TOLERANCE_NS:
            del distance[after]
        return self._labels[min(distance, key=distance.__getitem__)] if distance else None

    def _has_key(self, index: int, key: bytes) -> bool:
        return 0 <= index < len(self._rows) and self._rows[index].startswith(key)

    def __len__(self) -> int:
        """Rows read; 0 for a whole capture's label."""
        return len(self._rows)


def label_path(capture: Path) -> Path | None:
    """The label file ``X.labels.csv`` beside ``X.pcap``, ``X.pcapng`` or either with ``.gz``."""
    stem = capture.with_suffix("") if capture.suffix == ".gz" else capture
    if stem.suffix in _CAPTURE_SUFFIXES:
        stem = stem.with_suffix("")
    labels = stem.with_name(stem.name + ".labels.csv")
    return labels if labels.is_file() else None


def _rows(path: Path, lines: Iterator[list[str]]) -> Iterator[tuple[bytes, Label]]:
    header = [name.strip() for name in next(lines, [])]
    if missing := [name for name in REQUIRED if name not in header]:
        raise LabelError(f"{path}, line 1: no column {', '.join(missing)}; add it to the header")
    columns = [header.index(name) for name in REQUIRED]
    shared: dict[Label, Label] = {}  # a file has few different labels
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        try:
            row, label = _parse([line[column].strip() for column in columns])
        except IndexError:
            raise LabelError(
                f"{path}, line {number}: {len(line)} fields; write one for each of {len(header)}"
            ) from None
        except ValueError as error:
            raise LabelError(f"{path}, line {number}: {error}") from None
        yield row, shared.setdefault(label, label)


def _parse(cells: list[str]) -> tuple[bytes, Label]:
    """Pack one row; raises ``ValueError`` saying what to fix."""
    start, src, sport, dst, dport, proto, label, family = cells
    key = _key(
        words(src),
        _integer("sport", sport, 65535),
        words(dst),
        _integer("dport", dport, 65535),
        _integer("proto", proto, 255),
    )
    if label not in {"benign", "malicious"}:
        raise ValueError(f"label is {label!r}; write benign or malicious")
    return key + _pack_start(_nanoseconds(start)), Label(label == "malicious", family)


def _key(src: tuple[int, int], sport: int, dst: tuple[int, int], dport: int, proto: int) -> bytes:
    """The 5-tuple, alike in both directions."""
    ends = sorted((_endpoint(src, sport), _endpoint(dst, dport)))
    return b"".join(ends) + int(proto).to_bytes(1, "big")


def _endpoint(address: tuple[int, int], port: int) -> bytes:
    hi, lo = address
    return (int(hi) << 80 | int(lo) << 16 | int(port)).to_bytes(18, "big")


def _pack_start(start_ns: int) -> bytes:
    return (int(start_ns) + _START_BIAS).to_bytes(_START_BYTES, "big")


def _unpack_start(row: bytes) -> int:
    return int.from_bytes(row[-_START_BYTES:], "big") - _START_BIAS


def _integer(name: str, text: str, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise ValueError(f"{name} is {text!r}; write a whole number from 0 to {most}")
    return value


def _nanoseconds(text: str) -> int:
    """UNIX seconds to nanoseconds, exactly: a float would lose the last digits."""
    try:
        value = int(Decimal(text).scaleb(9))
        _pack_start(value)
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"start_ts is {text!r}; write UNIX seconds, as in 1700000000.25") from None
    return value
