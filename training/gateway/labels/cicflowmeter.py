"""CICFlowMeter's CSV, as the data sets of the Canadian Institute for Cybersecurity have it.

Columns are known by name, in the spellings of its versions (``Src IP`` or ``Source IP``, with or
without blanks around them). ``Label`` is BENIGN or an attack's name. Flows that nobody labelled
stay unlabelled; so do attacks of the corrected files that came to nothing ("… - Attempted"), since
their packets do not tell them from failed innocent flows.

**Time.** ``Timestamp`` is local time without a zone, day first, to the second or to the minute, and
in CIC-IDS2017 on a clock of twelve hours without AM and PM; the capture has UTC. So the zone is
read off the capture: of the flows that both have, the commonest difference between first packet and
earliest row, to a quarter of an hour, is the zone's. Times of a clock that never shows 0, or 13 and
more, are then moved to within twelve hours of the capture's first packet. A longer capture needs
labels by a clock of 24 hours.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

from agent.capture.files import open_capture
from agent.errors import LabelError
from agent.labels import Flow, FlowLabels, Label
from training.gateway.labels.families import family_of
from training.gateway.labels.rows import BENIGN, Row, flow_of, labelled, nanoseconds_of

_COLUMNS: Final = {
    "src": ("Src IP", "Source IP"),
    "sport": ("Src Port", "Source Port"),
    "dst": ("Dst IP", "Destination IP"),
    "dport": ("Dst Port", "Destination Port"),
    "proto": ("Protocol",),
    "start": ("Timestamp",),
    "label": ("Label",),
}
_UNDECIDED = ("", "no label", "needmanuallabel")
_TIME = re.compile(
    r"(\d+)[/-](\d+)[/-](\d+)[ T](\d+):(\d+)(?::(\d+)(?:\.(\d{1,6})\d*)?)?\s*([AP]M)?",
    re.IGNORECASE,
)
_NS = 1_000_000_000
_ZONE_STEP_NS = 900 * _NS  # zones differ by quarters of an hour (IANA time zone database)
_HALF_DAY_NS = 12 * 3600 * _NS
_VOTES = 1000  # flows that decide on the zone

Ends: TypeAlias = tuple[tuple[tuple[int, int], int], tuple[tuple[int, int], int], int]
"""Both ends of a flow, the lesser first, and its protocol: alike in both directions."""


def has_columns(header: str) -> bool:
    """Whether a file's first line is one of CICFlowMeter's."""
    names = {name.strip() for name in header.split(",")}
    return all(names.intersection(spellings) for spellings in _COLUMNS.values())


def read(path: Path, lines: Iterable[str], capture: Path) -> FlowLabels:
    """Labels of a capture's flows.

    Args:
        path: of the file, for errors.
        lines: of the file.
        capture: whose flows they are.

    Raises:
        LabelError: a line cannot be used, or no flow of the capture has a row.
        CaptureError: the capture cannot be opened.
    """
    flows = list(labelled(path, _rows(lines), _read))
    zone_ns, first_ns = _zone(path, [flow for flow, _ in flows], capture)
    halves = _has_twelve_hours([flow for flow, _ in flows])

    def moved(flow: Flow) -> Flow:
        start_ns = flow.start_ns + zone_ns
        if halves:  # a quarter of an hour before the first packet is still before noon
            start_ns += -((start_ns - first_ns + _ZONE_STEP_NS) // _HALF_DAY_NS) * _HALF_DAY_NS
        return flow._replace(start_ns=start_ns)

    return FlowLabels.of((moved(flow), label) for flow, label in flows)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, Row]]:
    cells = csv.reader(lines)
    header = [name.strip() for name in next(cells, [])]
    columns = {
        key: next(header.index(name) for name in names if name in header)
        for key, names in _COLUMNS.items()
    }
    for line in cells:
        if any(line):  # files of 2017 end in rows of commas
            yield cells.line_num, {k: line[i].strip() for k, i in columns.items() if i < len(line)}


def _read(row: Row) -> tuple[Flow, Label] | None:
    name = row["label"].lower()
    if name in _UNDECIDED or name.endswith("attempted"):
        return None
    start_ns = _local(row["start"])
    flow = flow_of(row["src"], row["sport"], row["dst"], row["dport"], row["proto"], start_ns)
    if flow is None:  # protocol 0 is CICFlowMeter's word for all that is neither TCP nor UDP
        return None
    return flow, BENIGN if name == "benign" else Label(True, family_of(name))


def _local(text: str) -> int:
    """Local time as if it were UTC, ns since 1970."""
    if (match := _TIME.fullmatch(text)) is None:
        raise ValueError(f"Timestamp is {text!r}; write day/month/year hour:minute:second")
    *date, hour, minute, second, fraction, half = match.groups()
    year, month, day = date if len(date[0]) == 4 else reversed(date)
    hours = int(hour) if half is None else int(hour) % 12 + 12 * (half.upper() == "PM")
    moment = datetime(int(year), int(month), int(day), hours, int(minute), tzinfo=UTC)
    moment += timedelta(seconds=int(second or 0), microseconds=int((fraction or "").ljust(6, "0")))
    return nanoseconds_of(moment)


def _has_twelve_hours(flows: Sequence[Flow]) -> bool:
    hours = {flow.start_ns // (3600 * _NS) % 24 for flow in flows}
    return hours.issubset(range(1, 13))


def _zone(path: Path, flows: Sequence[Flow], capture: Path) -> tuple[int, int]:
    """What takes local time to UTC, and the capture's first packet, both in ns."""
    earliest: dict[Ends, int] = {}
    for flow in flows:
        ends = _ends(flow)
        earliest[ends] = min(flow.start_ns, earliest.get(ends, flow.start_ns))
    votes: Counter[int] = Counter()
    first_ns = 0
    for flow in _first_packets(capture):
        first_ns = first_ns or flow.start_ns
        if (start_ns := earliest.pop(_ends(flow), None)) is not None:
            # Rows are cut to the minute or the second: the difference is a bit above the zone's.
            votes[(flow.start_ns - start_ns + _ZONE_STEP_NS // 4) // _ZONE_STEP_NS] += 1
        if votes.total() >= _VOTES:
            break
    if not votes:
        raise LabelError(f"{path}: no flow of {capture} has a row here; is it of this capture?")
    return votes.most_common(1)[0][0] * _ZONE_STEP_NS, first_ns


def _first_packets(capture: Path) -> Iterator[Flow]:
    """The first packet of every 5-tuple, in either direction, in the capture's order."""
    seen: set[Ends] = set()
    with open_capture(capture) as reader:
        for batch in reader.batches():
            columns = (
                batch.src_hi, batch.src_lo, batch.sport, batch.dst_hi, batch.dst_lo, batch.dport,
                batch.proto, batch.ts, batch.status,
            )  # fmt: skip
            rows = zip(*(column[: batch.n].tolist() for column in columns), strict=True)
            for src_hi, src_lo, sport, dst_hi, dst_lo, dport, proto, ts, status in rows:
                flow = Flow((src_hi, src_lo), sport, (dst_hi, dst_lo), dport, proto, ts)
                if status == 0 and (ends := _ends(flow)) not in seen:
                    seen.add(ends)
                    yield flow


def _ends(flow: Flow) -> Ends:
    one, other = (flow.src, flow.sport), (flow.dst, flow.dport)
    return (min(one, other), max(one, other), flow.proto)
