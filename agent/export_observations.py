"""Observations for anyone's notebook: one row a decision point, as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.addresses import text
from agent.alerts import Alerts
from agent.capture.files import open_capture
from agent.config import Settings
from agent.decision import Decisions
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.errors import ConfigError
from agent.observation import NAMES, raw_values
from agent.output import open_output
from agent.policy import Policy
from agent.replay import steps

_NS = 1_000_000_000
_ROW_GROUP = 16_384
KEYS: Final = ("time", "src", "sport", "dst", "dport", "proto", "vlan", "flow", "packets")
_address = lru_cache(maxsize=4096)(text)


@dataclass(frozen=True, slots=True)
class Written:
    """What was written; ``damage`` says where the capture could not be read on."""

    rows: int
    flows: int
    files: list[Path]
    damage: str | None

    def as_json(self) -> dict[str, object]:
        """As ``--json`` prints it."""
        return {
            "rows": self.rows,
            "flows": self.flows,
            "files": [str(path) for path in self.files],
            "damaged": [self.damage] if self.damage else [],
        }


class Sink(Protocol):
    """A table that is being written."""

    def write(self, points: NDArray[np.void], values: NDArray[np.float32]) -> None:
        """Append rows: ``(n,)`` of `agent.flows.records.POINT` and ``(n, F)`` features."""


def write_observations(
    capture: Path,
    settings: Settings,
    policy: Policy,
    csv: Path | None,
    parquet: Path | None,
    raw: bool,
    progress: Callable[[int, int], None] = lambda done, size: None,
    alerts: Alerts | None = None,
) -> Written:
    """Write the observation of every decision point of a capture, in bounded memory.

    The policy is in charge, since observations tell what rules are in force and a stopped flow has
    no more of them. Columns are `KEYS` (``time`` in UNIX seconds, exact; in Parquet a timestamp),
    ``flow`` being the flow's serial and ``packets`` those so far, then every feature by name.

    Args:
        raw: features in their units instead of scaled as the policy sees them.

    Raises:
        CaptureError: the capture cannot be opened, or is none.
        OutputError: a file cannot be written.
        ConfigError: Parquet is asked for, and pyarrow is not installed.
    """
    if parquet is not None and find_spec("pyarrow") is None:
        raise ConfigError("--parquet needs pyarrow: pip install pyarrow")
    engine = Engine(settings, policy, Recorder(), alerts)
    rows = 0
    with ExitStack() as stack:
        reader = stack.enter_context(open_capture(capture))
        sinks: list[Sink] = []
        if csv is not None:
            sinks.append(_CsvSink(stack.enter_context(open_output(csv, [capture])), raw))
        if parquet is not None:
            file = stack.enter_context(open_output(parquet, [capture]))
            sinks.append(stack.enter_context(closing(_ParquetSink(file))))
        for decisions in steps(reader, engine, lambda done: progress(done, reader.size)):
            rows += len(decisions.points)
            for sink in sinks if len(decisions.points) else ():
                sink.write(decisions.points, _values(decisions, raw))
    files = [path for path in (csv, parquet) if path is not None]
    return Written(rows, engine.table.flows, files, str(reader.damage) if reader.damage else None)


def _values(decisions: Decisions, raw: bool) -> NDArray[np.float32]:
    if raw:
        return raw_values(decisions.observations).astype(np.float32)
    return decisions.observations


def seconds_exact(time_ns: int) -> str:
    """ns since 1970 as decimal seconds: ``1700000000.000000001``."""
    whole, rest = divmod(abs(time_ns), _NS)
    return f"{'-' if time_ns < 0 else ''}{whole}.{rest:09d}"


class _CsvSink:
    """Lines of text; a scaled value has the 9 digits that give back its float32 exactly.

    A raw one has 6: the logarithm that it comes back from holds no more.
    """

    def __init__(self, file: BinaryIO, raw: bool) -> None:
        self._file = file
        self._features = ",".join(["%.6g" if raw else "%.9g"] * len(NAMES))
        file.write(f"{','.join((*KEYS, *NAMES))}\n".encode())

    def write(self, points: NDArray[np.void], values: NDArray[np.float32]) -> None:
        """Append rows."""
        keys = zip(*(map(str, column) for column in _key_columns(points)), strict=True)
        times = map(seconds_exact, points["ts_ns"].tolist())
        for time, key, row in zip(times, keys, values.tolist(), strict=True):
            self._file.write(f"{time},{','.join(key)},{self._features % tuple(row)}\n".encode())


class _ParquetSink:
    """Row groups of a good size, as steps have only a few rows each."""

    def __init__(self, file: BinaryIO) -> None:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        types = {"src": pa.string(), "dst": pa.string(), "flow": pa.uint64(), "proto": pa.uint8()}
        types |= {"sport": pa.uint16(), "dport": pa.uint16()}
        fields = [("time", pa.timestamp("ns", "UTC"))]
        fields += [(name, types.get(name, pa.uint32())) for name in KEYS[1:]]
        self._schema = pa.schema(fields + [(name, pa.float32()) for name in NAMES])
        self._writer = pq.ParquetWriter(file, self._schema)
        self._table = pa.table
        self._waiting: list[tuple[NDArray[np.void], NDArray[np.float32]]] = []
        self._rows = 0

    def write(self, points: NDArray[np.void], values: NDArray[np.float32]) -> None:
        """Append rows."""
        self._waiting.append((points.copy(), values.copy()))
        self._rows += len(points)
        if self._rows >= _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what waits, and the footer."""
        if self._waiting:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        points = np.concatenate([waiting for waiting, _ in self._waiting])
        values = np.concatenate([waiting for _, waiting in self._waiting])
        self._waiting.clear()
        self._rows = 0
        columns = [points["ts_ns"], *_key_columns(points), *values.T]
        self._writer.write_table(self._table(columns, schema=self._schema))


def _key_columns(points: NDArray[np.void]) -> Iterator[Sequence[str] | NDArray[np.integer[Any]]]:
    """Columns in the order of `KEYS` but the time."""
    yield _addresses(points, "src")
    yield points["sport"]
    yield _addresses(points, "dst")
    for name in ("dport", "proto", "vlan", "serial", "packets"):
        yield points[name]


def _addresses(points: NDArray[np.void], end: str) -> list[str]:
    both = zip(points[f"{end}_hi"].tolist(), points[f"{end}_lo"].tolist(), strict=True)
    return [_address(hi, lo) for hi, lo in both]
