"""Zeek's ``conn.log`` with labels, as IoT-23 and other data sets of the Stratosphere lab have it.

Tab-separated below a ``#fields`` line, or a JSON object a line, with the fields of conn.log
(https://docs.zeek.org/en/current/logs/conn.html) and two more: ``label``, which is Benign or
Malicious, and ``detailed-label``, which says of what kind
(https://www.stratosphereips.org/datasets-iot23). IoT-23 has spaces, not tabs, between its last
three columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from agent.errors import LabelError
from agent.labels import Flow, FlowLabels, Label
from training.gateway.labels.families import family_of
from training.gateway.labels.rows import (
    BENIGN,
    Numbered,
    Row,
    flow_of,
    json_lines,
    labelled,
    nanoseconds,
)

FIELD = "id.orig_h"
"""A field that only Zeek's logs have."""

_SEPARATOR = re.compile(r"\t| {3}")
_UNSET = ("-", "(empty)", "")
_VERDICTS = {"benign": False, "normal": False, "malicious": True, "botnet": True}
_UNDECIDED = (*_UNSET, "background", "unknown")


def read_json(path: Path, lines: Iterable[str], family: str) -> FlowLabels:
    """Labels of a log of JSON objects; errors and arguments as for ``read_columns``."""
    return _labels(path, json_lines(path, lines), family)


def read_columns(path: Path, lines: Iterable[str], family: str) -> FlowLabels:
    """Labels of a log of columns.

    Flows labelled Background, or not at all, stay unlabelled; so do those of a protocol that Zeek
    does not name.

    Args:
        path: of the file, for errors.
        lines: of the file.
        family: of malicious flows without a detailed label.

    Raises:
        LabelError: a line cannot be used; says which and why.
    """
    return _labels(path, _rows(path, lines), family)


def _rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Row]]:
    names: list[str] = []
    for number, line in enumerate(lines, 1):
        cells = _SEPARATOR.split(line.rstrip("\r\n"))
        if line.startswith("#"):
            names = cells[1:] if cells[0] == "#fields" else names
        elif len(cells) == len(names):
            yield number, dict(zip(names, cells, strict=True))
        elif line.strip():
            raise LabelError(
                f"{path}, line {number}: {len(cells)} columns; #fields names {len(names)}"
            )


def _labels(path: Path, rows: Numbered, family: str) -> FlowLabels:
    def read(row: Row) -> tuple[Flow, Label] | None:
        verdict = str(row["label"]).lower()
        if verdict in _UNDECIDED:
            return None
        if verdict not in _VERDICTS:
            raise ValueError(f"label is {row['label']!r}; write Benign or Malicious")
        flow = flow_of(
            row["id.orig_h"], row["id.orig_p"], row["id.resp_h"], row["id.resp_p"],
            row["proto"], nanoseconds(row["ts"]),
        )  # fmt: skip
        if flow is None:
            return None
        return flow, _malicious(row, family) if _VERDICTS[verdict] else BENIGN

    return FlowLabels.of(labelled(path, rows, read))


def _malicious(row: Row, family: str) -> Label:
    kind = str(row.get("detailed-label", "-"))
    return Label(True, family_of((family if kind in _UNSET else kind) or "malware"))
