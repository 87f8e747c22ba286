"""What the readers of label files share: a flow from a file's words, and errors that say where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from agent.addresses import words
from agent.errors import LabelError
from agent.labels import Flow, Label

Row: TypeAlias = Mapping[str, Any]
Numbered: TypeAlias = Iterable[tuple[int, Row]]
"""Rows of a file with their lines' numbers."""

BENIGN: Final = Label(malicious=False, family="other")
"""Of flows that a file calls benign: none of the formats says of what kind they are."""

_words = lru_cache(1 << 16)(words)  # a file has few addresses, and each in many rows
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WITH_PORTS = frozenset({6, 17, 132})  # of which `agent.capture.packets.PacketBatch` has ports
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}  # IANA's numbers


def labelled(
    path: Path, rows: Numbered, read: Callable[[Row], tuple[Flow, Label] | None]
) -> Iterator[tuple[Flow, Label]]:
    """Flows with their labels; rows of which ``read`` makes ``None`` are left out.

    Raises:
        LabelError: ``read`` raised ``KeyError`` for a missing field, or ``ValueError``.
    """
    for number, row in rows:
        try:
            found = read(row)
        except KeyError as error:
            raise LabelError(f"{path}, line {number}: no {error.args[0]}") from None
        except ValueError as error:
            raise LabelError(f"{path}, line {number}: {error}") from None
        if found is not None:
            yield found


def json_lines(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """The objects of a file with one on each line, numbered from 1.

    Raises:
        LabelError: a line is no JSON object.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=Decimal)
        except ValueError as error:
            raise LabelError(f"{path}, line {number}: no JSON ({error})") from None
        if not isinstance(row, dict):
            raise LabelError(f"{path}, line {number}: no JSON object; remove it")
        yield number, row


def flow_of(
    src: str, sport: str | int, dst: str, dport: str | int, protocol: str | int, start_ns: int
) -> Flow | None:
    """A flow by its addresses, ports and protocol (name or number); ``None`` for a protocol whose
    name does not say which it is.

    Ports of protocols that have none become 0: some tools write ICMP's type and code there.

    Raises:
        ValueError: an address is none, or a port is not from 0 to 65535.
    """
    proto = _protocol_number(str(protocol).lower(), ipv6=":" in src)
    if proto is None:
        return None
    ports = (_port(sport), _port(dport)) if proto in _WITH_PORTS else (0, 0)
    return Flow(_words(src), ports[0], _words(dst), ports[1], proto, start_ns)


def nanoseconds(moment: object) -> int:
    """UNIX seconds, or ISO 8601 with an offset from UTC, as ns since 1970.

    Raises:
        ValueError: it is neither.
    """
    try:
        return int(Decimal(str(moment)).scaleb(9))
    except (InvalidOperation, OverflowError, ValueError):
        pass  # no number: a date
    try:
        return nanoseconds_of(datetime.fromisoformat(str(moment)))
    except (TypeError, ValueError):
        raise ValueError(
            f"the time is {moment!r}; write UNIX seconds, or ISO 8601 with an offset from UTC"
        ) from None


def nanoseconds_of(moment: datetime) -> int:
    """An aware moment as ns since 1970; ``TypeError`` if it is a naive one."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _protocol_number(name: str, *, ipv6: bool) -> int | None:
    if name.isdecimal():
        number = int(name)
        return number if 0 < number < 256 else None
    if name == "icmp" and ipv6:  # Zeek has one name for both
        return _PROTOCOLS["ipv6-icmp"]
    return _PROTOCOLS.get(name)


def _port(text: str | int) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise ValueError(f"a port is {text!r}; write a whole number from 0 to 65535")
    return port
