"""What a policy would have done to each flow of some captures: the agent's own replay, as columns.

`training.gateway.evaluate` adds up families; here every flow is kept, for what a sum cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from agent.capture.files import open_capture
from agent.config import Settings
from agent.decision import Verdict
from agent.enforce.record import Recorder
from agent.engine import Engine, Judge
from agent.flows.records import FLOW, POINT
from agent.labels import Labels, label_of
from agent.replay import steps
from training.gateway.corpus import Capture
from training.gateway.labelling import labels_of


@dataclass(frozen=True, slots=True)
class Fates:
    """M flows that have a label.

    Attributes:
        malicious: ``(M,)`` bool.
        family: ``(M,)`` str, of the label.
        verdict: ``(M,)`` uint8, the strongest `Verdict` that was ever in force.
        packets: ``(M,)`` int64, that passed before the verdict that stopped the flow: 0 where a
            rule was there first; all that passed where nothing stopped it, or where the rule that
            did was made of another flow while this one ran.
        seconds: ``(M,)`` float64, from the first packet to that verdict; not a number where nothing
            stopped the flow, or where a rule made of another flow did and had run out before the
            end.
        bytes: ``(M,)`` int64, IP bytes.
        bytes_passed: ``(M,)`` int64, those that passed, after a rule had run out as well.
        latency_ms: ``(M,)`` float64, that a throttle added to each of the flow's packets that it
            let wait, on average; not a number where there was no throttle.
    """

    malicious: NDArray[np.bool_]
    family: NDArray[np.str_]
    verdict: NDArray[np.uint8]
    packets: NDArray[np.int64]
    seconds: NDArray[np.float64]
    bytes: NDArray[np.int64]
    bytes_passed: NDArray[np.int64]
    latency_ms: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All of at least one part as one."""
        columns: dict[str, Any] = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)
        }
        return cls(**columns)


def fates(
    captures: Sequence[Capture],
    folder: Path,
    policy: Judge,
    *,
    settings: Settings | None = None,
    advance: Callable[[], object] = lambda: None,
) -> Fates:
    """Replay captures, at least one, each with tables of its own.

    Args:
        captures: of a corpus.
        folder: the corpus's.
        policy: is asked, and guarded.
        settings: of the agent; its defaults if left out.
        advance: called after each capture.

    Raises:
        CaptureError: a capture cannot be read.
        LabelError: its labels cannot be used.
    """
    parts = []
    for capture in captures:
        labels = labels_of(capture, folder)
        followed = _followed(folder / capture.path, settings or Settings(), policy)
        parts.append(_fates(followed, labels))
        advance()
    return Fates.joined(parts)


class _Followed(NamedTuple):
    """A capture's flows (`FLOW`), points that stopped one (`POINT`), serials of those let in."""

    flows: NDArray[np.void]
    stops: NDArray[np.void]
    let_in: NDArray[np.uint64]


def _followed(capture: Path, settings: Settings, policy: Judge) -> _Followed:
    engine = Engine(settings, policy, Recorder())
    ended, stops = [np.zeros(0, FLOW)], [np.zeros(0, POINT)]
    let_in = [np.zeros(0, np.uint64)]
    with open_capture(capture) as reader:
        for step in steps(reader, engine):
            stops.append(step.points[step.applied >= Verdict.BLOCK])
            # Every flow is decided about at its first packet, unless a rule stops it there.
            let_in.append(step.points["serial"][step.points["packets"] == 1])
            ended.append(engine.table.ended[: engine.table.n_ended].copy())
    return _Followed(np.concatenate(ended), np.concatenate(stops), np.concatenate(let_in))


def _fates(followed: _Followed, labels: Labels) -> Fates:
    known = [label_of(labels, flow) for flow in followed.flows]
    flows = followed.flows[[label is not None for label in known]]
    packets, seconds = _before(flows, followed)
    throttled = flows["throttled_packets"]
    waited = np.full(len(flows), np.nan)
    np.divide(flows["delay_ns"] / 1e6, throttled, out=waited, where=throttled > 0)
    return Fates(
        malicious=np.array([label.malicious for label in known if label], bool),
        family=np.array([label.family for label in known if label], np.str_),
        verdict=flows["worst"],
        packets=packets,
        seconds=seconds,
        bytes=flows["ip_bytes"],
        bytes_passed=flows["passed_bytes"],
        latency_ms=waited,
    )


def _before(
    flows: NDArray[np.void], followed: _Followed
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Packets and seconds of each flow before the verdict that stopped it, ``(len(flows),)``."""
    packets = flows["passed_packets"].astype(np.int64)
    since = np.full(len(flows), np.nan)
    held = flows["verdict"] >= Verdict.BLOCK
    since[held] = np.maximum(flows["since_ns"] - flows["first_ns"], 0)[held]
    # A flow's own decision came before whatever held it at the end.
    serial, first = np.unique(followed.stops["serial"], return_index=True)
    own = np.isin(flows["serial"], serial)
    stop = followed.stops[first[np.searchsorted(serial, flows["serial"][own])]]
    packets[own] = stop["passed_packets"]
    since[own] = stop["ts_ns"] - flows["first_ns"][own]
    shut_out = ~np.isin(flows["serial"], followed.let_in)
    packets[shut_out] = since[shut_out] = 0
    # A flow may end in the second in which it is decided about, before any rule is in force.
    since[flows["worst"] < Verdict.BLOCK] = np.nan
    return packets, since / 1e9
