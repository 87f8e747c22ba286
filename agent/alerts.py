"""The alerts in a log of Suricata's, its ``eve.json``.

Nothing of an alert's text is kept, only time, addresses, severity and the signature's number.

Suricata's ``src_ip`` sent the packet that matched, and may be either end of the flow. The initiator
is ``flow.src_ip`` where the log tells it (Suricata 7), else it follows from ``direction``, else the
sender is taken for it.
"""

from __future__ import annotations

import gzip
import json
import reprlib
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.addresses import words
from agent.errors import AlertError

SEVERITIES: Final = 4  # in Suricata's classification.config; a rule's own priority may go to 255

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NS: Final = 1 << 62  # in 2116, as for packets
_GZIP_MAGIC: Final = b"\x1f\x8b"  # RFC 1952, 2.3.1
_LONGEST_LINE: Final = 16 << 20  # bytes: Suricata can be told to log whole payloads
_MOST_ALERTS: Final = 1 << 21
_COLUMNS: Final = 7

Host = tuple[int, int]  # an address as words
_words = lru_cache(maxsize=4096)(words)


@dataclass(slots=True)
class Alert:
    """One alert: time in ns since 1970, the ends of its flow, severity from 1 (worst) to 4."""

    time_ns: int
    initiator: Host
    responder: Host
    signature: int
    severity: int
    used: bool = False  # it came to count for a host


class Alerts:
    """The alerts of one log, by time whatever the order of its lines; 56 bytes each."""

    def __init__(self, alerts: Iterable[Alert | None]) -> None:
        """From alerts in any order; ``None`` stands for one that names no host."""
        cells = array("Q")
        self._hostless = 0
        for a in alerts:
            if a is None:
                self._hostless += 1
            else:
                cells.extend((a.time_ns, *a.initiator, *a.responder, a.signature, a.severity))
        rows: NDArray[np.uint64] = np.frombuffer(cells, np.uint64).reshape(-1, _COLUMNS)
        by_all_columns = np.lexsort(rows.T[::-1])  # so that equal times have an order too
        self._rows = rows[by_all_columns]
        self._times = self._rows[:, 0].astype(np.int64)

    def __len__(self) -> int:
        """Alerts read, those that name no host among them."""
        return len(self._rows) + self._hostless

    def between(self, since_ns: int, until_ns: int) -> Iterator[Alert]:
        """The alerts from ``since_ns`` on and before ``until_ns``, by time."""
        first, last = np.searchsorted(self._times, np.array([since_ns, until_ns], np.int64))
        for row in self._rows[first:last]:
            time_ns, src_hi, src_lo, dst_hi, dst_lo, signature, severity = row.tolist()
            yield Alert(time_ns, (src_hi, src_lo), (dst_hi, dst_lo), signature, severity)


def read_alerts(path: Path) -> Alerts:
    """Read the alerts of an ``eve.json``, plain or gzip; other events are skipped.

    So is a last line that is cut short, as in a log that is being written.

    Raises:
        AlertError: the file cannot be read or holds more than 2,097,152 alerts; or one of its
            lines, which it names, is no JSON object, or an alert that cannot be used.
    """
    try:
        return Alerts(_alerts(path))
    except (OSError, EOFError, zlib.error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise AlertError(f"{path}: cannot be read ({reason}); check the file") from error


def parse_alert(event: Mapping[str, Any]) -> Alert | None:
    """An event of type ``alert``; ``None`` where it names no host, as on what is no IP packet.

    Raises:
        ValueError: it cannot be used; says what to fix.
    """
    alert = event.get("alert")
    if not isinstance(alert, dict):
        raise ValueError("the event has no object 'alert'; write events as Suricata does")
    severity = min(_integer(alert, "severity", 1, 255), SEVERITIES)
    signature = _integer(alert, "signature_id", 0, 2**32 - 1)
    time_ns = _time_ns(event.get("timestamp"))
    if "src_ip" not in event and "dest_ip" not in event:
        return None
    src, dst = _address(event, "src_ip"), _address(event, "dest_ip")
    if _is_reply(event):
        src, dst = dst, src
    return Alert(time_ns, src, dst, signature, severity)


def _alerts(path: Path) -> Iterator[Alert | None]:
    count = 0
    for where, event in _events(path):
        if event.get("event_type") != "alert":
            continue
        count += 1
        if count > _MOST_ALERTS:
            raise AlertError(f"{where}: more than {_MOST_ALERTS:,} alerts; cut the log")
        try:
            yield parse_alert(event)
        except ValueError as error:
            raise AlertError(f"{where}: {error}") from None


def _events(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A log's events, each with its file and line."""
    broken = ""
    with path.open("rb") as plain:
        is_gzip = plain.peek(2)[:2] == _GZIP_MAGIC
        file = gzip.GzipFile(fileobj=plain) if is_gzip else plain
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
            if broken:
                raise AlertError(broken)
            where = f"{path}, line {number}"
            try:
                # Whatever bytes strangers got into the log's texts, the rest can be read.
                event = json.loads(line.decode("utf-8", "replace"), strict=False)
            except (ValueError, RecursionError):
                event = None
            if isinstance(event, dict):
                yield where, event
            elif line.strip():
                broken = f"{where}: no JSON object; write one event a line, as Suricata does"
                if not line.startswith(b"{"):
                    raise AlertError(broken)


def _is_reply(event: Mapping[str, Any]) -> bool:
    """Whether the packet that matched was sent by the flow's responder."""
    flow = event.get("flow")
    initiator = flow.get("src_ip") if isinstance(flow, dict) else None
    if initiator is None:
        return event.get("direction") == "to_client"
    return initiator == event["dest_ip"]


def _address(event: Mapping[str, Any], name: str) -> Host:
    value = event.get(name)
    try:
        return _words(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"{name} is {reprlib.repr(value)}; write an IP address") from None


def _integer(alert: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = alert.get(name)
    if type(value) is not int or not least <= value <= most:
        raise ValueError(
            f"{name} is {reprlib.repr(value)}; write a whole number from {least} to {most}"
        )
    return value


def _time_ns(value: object) -> int:
    """ISO 8601 with an offset to ns since 1970, exactly: a float would lose the last digits."""
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        time_ns = (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, TypeError):  # TypeError: it has no offset
        time_ns = -1
    if not 0 <= time_ns < _LATEST_NS:
        raise ValueError(
            f"timestamp is {reprlib.repr(value)}; write ISO 8601 with an offset,"
            " as in 2024-05-01T09:00:00.250000+0200"
        )
    return time_ns
