"""What a corpus holds: captures and flows by split and family, and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.capture.files import open_capture
from agent.config import Settings
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.labels import label_of
from agent.replay import steps
from training.gateway.corpus import SPLITS, Capture, Corpus, Split
from training.gateway.labelling import labels_of
from training.gateway.record import AllowAll


@dataclass(slots=True)
class Count:
    """What is in a capture, or in several."""

    packets: int = 0
    minutes: float = 0.0
    flows: int = 0
    malicious: int = 0
    benign: int = 0
    unlabelled: int = 0

    def add(self, other: Count) -> None:
        """Add what is in others."""
        self.packets += other.packets
        self.minutes += other.minutes
        self.flows += other.flows
        self.malicious += other.malicious
        self.benign += other.benign
        self.unlabelled += other.unlabelled


@dataclass(slots=True)
class Group:
    """The captures of a split that have one family; those with labels per flow have none."""

    split: Split
    label: str
    family: str
    captures: int = 0
    sources: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    count: Count = field(default_factory=Count)


def groups_of(
    corpus: Corpus, folder: Path, advance: Callable[[], None] = lambda: None
) -> list[Group]:
    """A corpus by split, label and family, with what is in the captures that are there.

    Raises:
        CaptureError: a capture is there and cannot be opened.
        LabelError: its label file cannot be used.
    """
    groups: dict[tuple[int, str, str], Group] = {}
    for capture in corpus.capture:
        key = SPLITS.index(capture.split), capture.label, capture.family
        group = groups.setdefault(key, Group(capture.split, capture.label, capture.family))
        group.captures += 1
        group.sources.add(capture.source)
        files = [capture.path, *([capture.labels] if capture.labels else [])]
        if missing := [file for file in files if not (folder / file).is_file()]:
            group.missing += missing
        else:
            group.count.add(count(capture, folder))
        advance()
    return [groups[key] for key in sorted(groups)]


def count(capture: Capture, folder: Path) -> Count:
    """What is in one capture, with flows as the agent follows them.

    Raises:
        CaptureError: it cannot be opened.
        LabelError: its label file cannot be used.
    """
    labels = labels_of(capture, folder)
    found = Count()
    engine = Engine(Settings(), AllowAll(), Recorder())
    table = engine.table
    table.collects_ended = True
    first_ns: int | None = None
    with open_capture(folder / capture.path) as reader:
        for _ in steps(reader, engine):
            for flow in table.ended[: table.n_ended]:
                start_ns = int(flow["first_ns"])
                first_ns = start_ns if first_ns is None else min(first_ns, start_ns)
                label = label_of(labels, flow)
                found.flows += 1
                found.unlabelled += label is None
                found.malicious += label is not None and label.malicious
                found.benign += label is not None and not label.malicious
        found.packets = reader.packets
    if first_ns is not None:
        found.minutes = (table.now_ns - first_ns) / 60e9
    return found


def straddling(corpus: Corpus) -> list[str]:
    """Sources that have captures both in train and held out: figures would flatter the policy."""
    train, held_out = ({each.source for each in corpus.of(s)} for s in ("train", "held-out"))
    return sorted(train & held_out)
