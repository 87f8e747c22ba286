"""Captures, flows and commands as the corpus's tests write them."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from agent.addresses import words
from agent.labels import Label, Labels
from training.cli import main

NS = 1_000_000_000


class Talk(NamedTuple):
    """A flow of one packet; ``at`` in UNIX seconds."""

    at: float
    src: str = "192.168.1.20"
    sport: int = 50000
    dst: str = "198.51.100.7"
    dport: int = 443
    proto: int = 6


def write_capture(path: Path, *talks: Talk) -> Path:
    packets = []
    for talk in talks:
        layer = TCP if talk.proto == 6 else UDP
        packet = Ether() / IP(src=talk.src, dst=talk.dst)
        packet /= layer(sport=talk.sport, dport=talk.dport)
        packet.time = talk.at
        packets.append(packet)
    path.parent.mkdir(parents=True, exist_ok=True)
    wrpcap(str(path), packets)
    return path


def label_at(labels: Labels, talk: Talk) -> Label | None:
    return labels.match(
        words(talk.src), talk.sport, words(talk.dst), talk.dport, talk.proto, round(talk.at * NS)
    )


def family_at(labels: Labels, talk: Talk) -> str | None:
    """The family of a malicious flow, ``benign``, or ``None``."""
    label = label_at(labels, talk)
    return label and (label.family if label.malicious else "benign")


class Done(NamedTuple):
    """What a command made of it."""

    returncode: int
    stdout: str
    stderr: str


def corpus_command(*arguments: str) -> Done:
    """``sluice-train corpus ARGUMENTS``, in this process: a new one takes a second to start."""
    out, err = StringIO(), StringIO()
    argv = ["sluice-train", "corpus", *arguments]
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", argv):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())
