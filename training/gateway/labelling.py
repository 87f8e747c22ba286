"""Which flows of a capture are malicious, by what its manifest and its label file say.

Label files are recognised by what is in them, whatever their name:

=============================  ===================================================================
our own CSV                    `agent.labels`
Zeek's conn.log with labels    `training.gateway.labels.zeek`: IoT-23 and its like
Suricata's eve.json            `training.gateway.labels.suricata`: what an alert is taken for
CICFlowMeter's CSV             `training.gateway.labels.cicflowmeter`: CIC-IDS2017 and its like
=============================  ===================================================================

Families come out as in `training.gateway.labels.families`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from agent.errors import LabelError
from agent.labels import REQUIRED, FlowLabels, Label, Labels
from agent.observation import SERVICE_OF_PORT, Service
from training.gateway.corpus import Capture
from training.gateway.labels import cicflowmeter, suricata, zeek
from training.gateway.labels.families import family_of

Address: TypeAlias = tuple[int, int]
"""High and low word (`agent.addresses.words`)."""

_WITH_SERVICES = frozenset({6, 17})  # protocols whose ports `SERVICE_OF_PORT` is about


def labels_of(capture: Capture, folder: Path) -> Labels:
    """The labels of a capture's flows.

    Args:
        capture: what the manifest says of it.
        folder: the corpus's.

    Raises:
        LabelError: its label file cannot be read, is in no format that we know, or has nothing to
            do with the capture.
        CaptureError: the label file can only be read together with the capture, which cannot be
            opened.
    """
    if capture.labels is not None:
        return _read(folder / capture.labels, folder / capture.path, capture.family)
    malicious = capture.label == "malicious"
    labels = FlowLabels.whole_capture(malicious, family_of(capture.family))
    if malicious and capture.spares:
        return _Spared(labels, frozenset(Service[name.upper()] for name in capture.spares))
    return labels


@dataclass(frozen=True, slots=True)
class _Spared:
    """Labels of a malicious capture, but for flows to some services."""

    labels: Labels
    services: frozenset[Service]

    def match(
        self, src: Address, sport: int, dst: Address, dport: int, proto: int, start_ns: int
    ) -> Label | None:
        if proto in _WITH_SERVICES and SERVICE_OF_PORT[dport] in self.services:
            return None
        return self.labels.match(src, sport, dst, dport, proto, start_ns)


@dataclass(frozen=True, slots=True)
class _Own:
    """Labels of our own files, with families by our names, or the manifest's where one is empty."""

    labels: FlowLabels
    family: str

    def match(
        self, src: Address, sport: int, dst: Address, dport: int, proto: int, start_ns: int
    ) -> Label | None:
        label = self.labels.match(src, sport, dst, dport, proto, start_ns)
        return label and Label(label.malicious, family_of(label.family or self.family))


def _read(path: Path, capture: Path, family: str) -> Labels:
    try:
        # Attacks of CIC-IDS2017 have a dash of a Windows code page in their names.
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            first = lines.readline()
            lines.seek(0)
            return _reader(path, first, lines, capture, family)
    except OSError as error:
        raise LabelError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except csv.Error as error:
        raise LabelError(f"{path}: no CSV ({error}); save it as one") from error


def _reader(path: Path, first: str, lines: Iterable[str], capture: Path, family: str) -> Labels:
    if first.startswith("{"):
        keys = _keys(first)
        if suricata.FIELD in keys:
            return suricata.read(path, lines, family)
        if zeek.FIELD in keys:
            return zeek.read_json(path, lines, family)
    if first.startswith("#"):
        return zeek.read_columns(path, lines, family)
    if set(REQUIRED) <= {name.strip() for name in first.split(",")}:
        return _Own(FlowLabels.read(path), family)
    if cicflowmeter.has_columns(first):
        return cicflowmeter.read(path, lines, capture)
    raise LabelError(
        f"{path}: no label file that we know; write a CSV with the columns {', '.join(REQUIRED)}"
    )


def _keys(line: str) -> set[str]:
    try:
        return set(json.loads(line))
    except ValueError:
        return set()
