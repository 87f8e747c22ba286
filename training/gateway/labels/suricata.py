"""Suricata's ``eve.json``: an alert says that a flow is malicious; silence says less.

Format: https://docs.suricata.io/en/latest/output/eve/eve-json-format.html. What is made of it:

- A flow with an alert is malicious. Its family is the manifest's; or else what the rule's MITRE
  tactic or its category stands for (`families`), of its gravest alert.
- A flow whose alerts are all of ``DOUBTFUL`` categories stays unlabelled: they are about odd
  protocol use or about policy, and much of what they report is innocent.
- A flow without an alert is benign if no malicious flow has one of its two hosts, and unlabelled
  otherwise. A rule fires on a few flows of a scan or of a flood, at times on a single one, so the
  silence about the others of that host means nothing. Of two hosts that the rules did not mind in
  the whole capture, silence is the best evidence that there is, though it is no proof.

``flow`` events, where the file has them, tell the flows of a 5-tuple apart that was used again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.errors import LabelError
from agent.labels import Flow, FlowLabels, Label
from training.gateway.labels.families import family_of
from training.gateway.labels.rows import BENIGN, Row, flow_of, json_lines, nanoseconds

FIELD = "event_type"
"""A field that every event has, and that Zeek's logs do not have."""

DOUBTFUL: Final = frozenset(
    {
        "not suspicious traffic",
        "unknown traffic",
        "potentially bad traffic",
        "decode of an rpc query",
        "a tcp connection was detected",
        "a client was using an unusual port",
        "detection of a non-standard protocol or event",
        "generic protocol command decode",
        "generic icmp event",
        "misc activity",
        "inappropriate content was detected",
        "potential corporate privacy violation",
        "device retrieving external ip address detected",
    }
)
"""Categories (Suricata's etc/classification.config) that do not say that a flow is an attack."""

_DOUBT = Label(malicious=False, family="doubtful")
_SILENCE = Label(malicious=False, family="no alert")


class Alerts:
    """The labels of one capture's flows, by Suricata's events."""

    def __init__(self, flows: Iterable[tuple[Flow, Label]]) -> None:
        """From the flows that the events tell of."""
        known = list(flows)
        self._flows = FlowLabels.of(known)
        attacks = [flow for flow, label in known if label.malicious]
        self._hosts = {host for flow in attacks for host in (flow.src, flow.dst)}

    def match(
        self,
        src: tuple[int, int],
        sport: int,
        dst: tuple[int, int],
        dport: int,
        proto: int,
        start_ns: int,
    ) -> Label | None:
        """The label of a flow (`agent.labels.FlowLabels.match`), or ``None``."""
        label = self._flows.match(src, sport, dst, dport, proto, start_ns)
        if label is not None and label.malicious:
            return label
        if label == _DOUBT or src in self._hosts or dst in self._hosts:
            return None
        return BENIGN


@dataclass(slots=True)
class _Event:
    """The gravest that was said of a flow so far; severity 1 is the gravest there is."""

    flow: Flow
    label: Label
    severity: int


def read(path: Path, lines: Iterable[str], family: str) -> Alerts:
    """Labels of a capture by its events.

    Args:
        path: of the file, for errors.
        lines: of the file.
        family: of all malicious flows; if empty, each has its alert's.

    Raises:
        LabelError: a line cannot be used; says which and why.
    """
    events: dict[Any, _Event] = {}
    for number, row in json_lines(path, lines):
        try:
            event = _event(row, family)
        except KeyError as error:
            raise LabelError(f"{path}, line {number}: no {error.args[0]}") from None
        except (AttributeError, TypeError, ValueError) as error:
            raise LabelError(f"{path}, line {number}: no event of Suricata: {error}") from None
        if event is not None:
            key = row.get("flow_id", event.flow)
            events[key] = _graver(event, events.get(key))
    return Alerts((event.flow, event.label) for event in events.values())


def _event(row: Row, family: str) -> _Event | None:
    if row["event_type"] not in ("alert", "flow"):
        return None
    # Without the flow's start, an alert's own time must do: it fits if it is of the first second.
    start = row.get("flow", {}).get("start", row["timestamp"])
    flow = flow_of(
        row["src_ip"], row.get("src_port", 0), row["dest_ip"], row.get("dest_port", 0),
        row["proto"], nanoseconds(start),
    )  # fmt: skip
    if flow is None:
        return None
    if row["event_type"] == "flow":
        return _Event(flow, _SILENCE, severity=1 << 31)
    alert = row["alert"]
    if alert.get("category", "").lower() in DOUBTFUL:
        return _Event(flow, _DOUBT, severity=1 << 30)
    return _Event(flow, Label(True, family_of(family or _said(alert))), alert.get("severity", 3))


def _graver(one: _Event, other: _Event | None) -> _Event:
    return one if other is None or one.severity < other.severity else other


def _said(alert: Row) -> str:
    """What a rule says of its attack: the tactic, where it stands for a family, or the category."""
    for tactic in alert.get("metadata", {}).get("mitre_tactic_name", []):
        if (family := family_of(tactic)) != tactic.lower():
            return family
    return alert.get("category", "") or "malware"
