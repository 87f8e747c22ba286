"""What no policy may see does not reach it: names of hosts, ports, the hour, the file, contents.

Copies of captures that differ in such things alone go through the agent as files. All that a policy
is shown and all that comes of it must be the same, bit for bit.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.bundle import Bundle
from agent.capture.files import open_capture
from agent.config import GuardSettings, Settings
from agent.decision import Rule, RuleKind, Verdict
from agent.enforce.record import Recorder
from agent.engine import Engine, Judge
from agent.policy import Policy
from agent.replay import steps
from tests.agent.flows.golden import Onlooker
from tests.agent.flows.renaming import other_addresses, other_ports, shuffled_addresses
from tests.agent.flows.rewrite import Trace

SMALL = ("page", "scan", "beacon")
LARGE = ("home", "office")
COMPOSED = ("composed__home-gateway", "composed__office-gateway")
SECOND, MINUTE = 10**6, 60 * 10**6  # in microseconds

JUDGES: dict[str, Callable[[], Judge]] = {
    "onlooker": Onlooker,
    "default": cache(lambda: Policy(Bundle.default())),
}


class Seen(NamedTuple):
    """What a policy was shown of a capture, and what came of it; times count from its start."""

    points: list[tuple[int, int, int]]  # flow, packet of it, ns
    observations: np.ndarray[Any, Any]
    verdicts: np.ndarray[Any, Any]  # proposed, applied, reason
    rules: list[tuple[RuleKind, Verdict, int, int]]

    def same_as(self, other: Seen) -> bool:
        return (
            self.points == other.points
            and self.observations.tobytes() == other.observations.tobytes()
            and np.array_equal(self.verdicts, other.verdicts)
            and self.rules == other.rules
        )


def follow(path: Path, judge: str = "default", settings: Settings | None = None) -> Seen:
    engine = Engine(settings or Settings(), JUDGES[judge](), Recorder())
    points, observations, verdicts = [], [], []
    rules: list[Rule] = []
    with open_capture(path) as reader:
        for step in steps(reader, engine):
            points.append(step.points[["serial", "packets", "ts_ns"]].copy())
            observations.append(step.observations.copy())
            verdicts.append(np.stack([step.proposed, step.applied, step.reasons], axis=1))
            rules += step.rules.values()
    rows = np.concatenate(points)
    start = int(rows["ts_ns"].min())
    return Seen(
        [(int(serial), int(packet), int(ns) - start) for serial, packet, ns in rows.tolist()],
        np.concatenate(observations),
        np.concatenate(verdicts),
        [(r.key.kind, r.verdict, r.since_ns - start, r.until_ns - start) for r in rules],
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], Path]:
    path = tmp_path_factory.mktemp("copies") / "copy.pcap"

    def write(data: bytes) -> Path:
        path.write_bytes(data)
        return path

    return write


@cache
def read(path: Path) -> Trace:
    return Trace.read(path)


original = cache(follow)

Copy = Callable[[bytes], Path]
seeds = st.integers(0, 1 << 32).map(Random)


CHANGES: dict[str, Callable[[Trace, Random], Trace]] = {
    "hosts": lambda trace, random: trace.with_addresses(
        other_addresses(trace.addresses(), random), random
    ),
    "places": lambda trace, random: trace.with_addresses(
        shuffled_addresses(trace.addresses(), random), random
    ),
    "ports": lambda trace, random: trace.with_ports(other_ports(trace.ports(), random)),
    "contents": Trace.with_contents,
    "hour": lambda trace, random: trace.shifted(random.randrange(1 << 24) * MINUTE),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", SMALL)
@hypothesis_settings(max_examples=4, deadline=None)
@given(random=seeds)
def test_it_does_not_show(
    samples: Path, copy: Copy, name: str, change: str, random: Random
) -> None:
    path = samples / f"{name}.pcap"
    changed = CHANGES[change](read(path), random).pcap()
    assert changed != path.read_bytes()
    for judge in JUDGES:
        assert follow(copy(changed), judge).same_as(original(path, judge))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", LARGE)
def test_it_does_not_show_in_whole_networks(
    samples: Path, copy: Copy, name: str, change: str
) -> None:
    path = samples / f"{name}.pcap"
    changed = CHANGES[change](read(path), Random(name + change))
    for judge in JUDGES:
        assert follow(copy(changed.pcap()), judge).same_as(original(path, judge))


@pytest.mark.parametrize("name", COMPOSED)
def test_it_does_not_show_in_recorded_traffic(shared: Path, copy: Copy, name: str) -> None:
    path = shared / "captures" / "mixed" / f"{name}.pcap"
    changed, random = read(path), Random(name)
    for change in CHANGES.values():
        changed = change(changed, random)
    for judge in JUDGES:
        assert follow(copy(changed.pcap()), judge).same_as(original(path, judge))


# Time.


@hypothesis_settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(SMALL),
    us=st.integers(-50 * 365 * 86400 * SECOND, 50 * 365 * 86400 * SECOND),
)
def test_what_is_observed_does_not_depend_on_where_seconds_begin(
    samples: Path, copy: Copy, name: str, us: int
) -> None:
    path = samples / f"{name}.pcap"
    shifted = read(path).shifted(us).pcap()
    assert follow(copy(shifted), "onlooker").same_as(original(path, "onlooker"))


@pytest.mark.parametrize("seconds", [1, 59, 3599, -1, 86_400, 365 * 86_400 + 1])
@pytest.mark.parametrize("name", [*SMALL, "home"])
def test_verdicts_do_not_depend_on_which_second_it_is(
    samples: Path, copy: Copy, name: str, seconds: int
) -> None:
    """Verdicts come into force when a second ends, so parts of one would show."""
    path = samples / f"{name}.pcap"
    assert follow(copy(read(path).shifted(seconds * SECOND).pcap())).same_as(original(path))


def test_where_the_guard_s_budget_ends_the_minute_counts_and_no_longer_time_does(
    samples: Path, copy: Copy
) -> None:
    path = samples / "scan.pcap"
    tight = Settings(guard=GuardSettings(new_verdicts_per_minute=1))
    seen = follow(path, "default", tight)
    assert not seen.same_as(original(path))
    for minutes in (1, 60, 1440, 600_000):
        shifted = copy(read(path).shifted(minutes * MINUTE).pcap())
        assert follow(shifted, "default", tight).same_as(seen)


# The file.


@pytest.mark.parametrize("name", [*SMALL, "home"])
def test_neither_its_name_nor_its_date_nor_its_format_shows(
    samples: Path, tmp_path: Path, name: str
) -> None:
    path = samples / f"{name}.pcap"
    forms = {
        "malicious-scan.pcap": path.read_bytes(),
        "x": gzip.compress(path.read_bytes()),
        "benign.pcapng": read(path).pcapng(),
    }
    for other, data in forms.items():
        (tmp_path / other).write_bytes(data)
        os.utime(tmp_path / other, (1, 1))
        for judge in JUDGES:
            assert follow(tmp_path / other, judge).same_as(original(path, judge))
