"""What follows the alerts of an intrusion detection system, and how much of it a policy stops.

To follow means: packets of malicious flows between the two hosts of an alert, after the packet that
raised the first one about them. Since the agent hears of an alert when its second ends, what comes
after that is told apart: nothing that is decided on an alert can stop what comes before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from agent.alerts import read_alerts
from agent.capture.files import open_capture
from agent.config import Settings
from agent.enforce.record import Recorder
from agent.engine import Engine, Judge
from agent.labels import Labels
from agent.replay import merged, steps
from agent.tally import Family, total
from training.gateway.corpus import Capture
from training.gateway.ids import Raised, Which, raised, write_log
from training.gateway.labelling import labels_of
from training.gateway.remainder import Pausing, Remainder

_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Following:
    """What became of what follows; shares are not numbers where nothing does.

    Attributes:
        flows: of which a packet follows.
        stopped: share of them that was blocked or isolated.
        packets_stopped, bytes_stopped: shares of what follows of them.
    """

    flows: int
    stopped: float
    packets_stopped: float
    bytes_stopped: float

    @classmethod
    def of(cls, rest: Family) -> Following:
        """From a tally of what follows alone."""
        if not rest.flows:
            return cls(0, math.nan, math.nan, math.nan)
        return cls(
            rest.flows,
            rest.stopped / rest.flows,
            1 - rest.packets_passed / rest.packets,
            1 - rest.bytes_passed / rest.bytes,
        )


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What follows the alerts on a family.

    Attributes:
        captures: in which there are alerts.
        quiet: of these, in which nothing follows one.
        alerts: in all.
        after: what follows.
        heard: what follows when the agent has heard of the alert.
    """

    captures: int
    quiet: int
    alerts: int
    after: Following
    heard: Following


@dataclass(slots=True)
class _Sums:
    """Of some captures: alerts, and what follows, by family."""

    alerts: Counter[str] = field(default_factory=Counter)
    after: dict[str, Family] = field(default_factory=dict)
    heard: dict[str, Family] = field(default_factory=dict)


def aftermath(
    captures: Sequence[Capture],
    folder: Path,
    policy: Judge,
    *,
    which: Which = "pair",
    payloads: int = 1,
    severity: int = 1,
    settings: Settings | None = None,
    advance: Callable[[], object] = lambda: None,
) -> tuple[dict[str, Aftermath], Aftermath]:
    """Replay captures with the alerts that their labels make for.

    Args:
        captures: of a corpus.
        folder: the corpus's.
        policy: is asked, and guarded.
        which, payloads: what is alerted on, and when (`training.gateway.ids.raised`).
        severity: of the alerts, from 1, the gravest, to 4.
        settings: of the agent; its defaults if left out.
        advance: called after each capture.

    Returns:
        By family, and of all families together.

    Raises:
        CaptureError: a capture cannot be read.
        LabelError: its labels cannot be used.
    """
    chosen = settings or Settings()
    found = []
    for capture in captures:
        labels, path = labels_of(capture, folder), folder / capture.path
        alerts = raised(path, labels, which=which, payloads=payloads, settings=chosen)
        if alerts:
            found.append(_replayed(path, labels, alerts, severity, chosen, policy))
        advance()
    families = sorted({family for sums in found for family in sums.alerts})
    return {name: _of(found, [name]) for name in families}, _of(found, families)


def _of(found: Sequence[_Sums], families: Sequence[str]) -> Aftermath:
    """Of some families together."""
    wanted = [sums for sums in found if any(sums.alerts[name] for name in families)]

    def following(parts: Iterable[Mapping[str, Family]]) -> Family:
        return total(merged([{n: f for n, f in part.items() if n in families} for part in parts]))

    return Aftermath(
        captures=len(wanted),
        quiet=sum(not any(name in sums.after for name in families) for sums in wanted),
        alerts=sum(sums.alerts[name] for sums in wanted for name in families),
        after=Following.of(following(sums.after for sums in found)),
        heard=Following.of(following(sums.heard for sums in found)),
    )


def _replayed(
    path: Path,
    labels: Labels,
    alerts: Sequence[Raised],
    severity: int,
    settings: Settings,
    policy: Judge,
) -> _Sums:
    """One capture, with its alerts told through a log."""
    with TemporaryDirectory() as folder:
        log = read_alerts(write_log(Path(folder) / "eve.json", alerts, severity))
    tick_ns = int(settings.tick_s * _NS)
    after = Remainder(alerts, tick_ns, lambda time_ns: time_ns)
    heard = Remainder(alerts, tick_ns, lambda time_ns: (time_ns // tick_ns + 1) * tick_ns - 1)
    engine = Engine(settings, policy, Recorder(), log)

    def reached(time_ns: int) -> None:
        for remainder in (after, heard):
            remainder.begin(time_ns, engine.table.table)

    with open_capture(path) as reader:
        pausing = Pausing(reader, {*after.starts, *heard.starts}, reached)
        for decisions in steps(pausing, engine):
            for remainder in (after, heard):
                remainder.note(decisions)
                remainder.end(engine.table.ended[: engine.table.n_ended], labels)
    return _Sums(Counter(alert.family for alert in alerts), after.families, heard.families)
