"""Observations as CSV and Parquet are those that the policy saw."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from agent.bundle import Bundle
from agent.capture.files import open_capture
from agent.config import Settings
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.errors import ConfigError, OutputError
from agent.export_observations import KEYS, seconds_exact, write_observations
from agent.observation import NAMES, raw_values
from agent.policy import Policy
from agent.replay import steps
from tests.agent.command import sluice


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy(Bundle.default())


@pytest.fixture(scope="module")
def seen(samples: Path, policy: Policy) -> np.ndarray:
    engine = Engine(Settings(), policy, Recorder())
    with open_capture(samples / "home.pcap") as reader:
        return np.concatenate([d.observations.copy() for d in steps(reader, engine)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_gives_back_every_float(
    samples: Path, policy: Policy, seen: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "o.csv"
    written = write_observations(samples / "home.pcap", Settings(), policy, path, None, raw=False)
    rows = rows_of(path)
    values = np.array([[float(row[name]) for name in NAMES] for row in rows], np.float32)
    assert np.array_equal(values, seen)
    assert written.rows == len(rows)
    assert list(rows[0]) == [*KEYS, *NAMES]


def test_the_keys_of_a_row(samples: Path, policy: Policy, tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    write_observations(samples / "office.pcap", Settings(), policy, path, None, raw=False)
    rows = rows_of(path)
    assert (rows[0]["vlan"], rows[0]["flow"], rows[0]["packets"]) == ("10", "1", "1")
    assert {row["proto"] for row in rows} == {"1", "6", "17"}
    assert all(row["src"].count(".") == 3 for row in rows)
    times = [Decimal(row["time"]) for row in rows]
    assert times == sorted(times)
    assert 1_760_000_000 < times[0] < times[-1] < 1_761_000_000


def test_raw_values_are_in_their_units(
    samples: Path, policy: Policy, seen: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "o.csv"
    write_observations(samples / "home.pcap", Settings(), policy, path, None, raw=True)
    rows = rows_of(path)
    assert rows[0]["packets_fwd"] == "1"
    values = np.array([[float(row[name]) for name in NAMES] for row in rows])
    assert np.allclose(values, raw_values(seen), rtol=1e-5, atol=1e-6)


def test_parquet_holds_the_same(
    samples: Path, policy: Policy, seen: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "o.parquet"
    write_observations(samples / "home.pcap", Settings(), policy, None, path, raw=False)
    table = pq.read_table(path)
    assert table.column_names == [*KEYS, *NAMES]
    values = np.stack([table[name].to_numpy() for name in NAMES], axis=1)
    assert values.dtype == np.float32
    assert np.array_equal(values, seen)
    assert str(table["time"].type) == "timestamp[ns, tz=UTC]"


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [(0, "0.000000000"), (1_700_000_000_000_000_001, "1700000000.000000001"), (-1, "-0.000000001")],
)
def test_times_are_exact(time_ns: int, text: str) -> None:
    assert seconds_exact(time_ns) == text


def test_parquet_without_pyarrow_says_what_to_install(
    samples: Path, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.export_observations.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install pyarrow"):
        write_observations(
            samples / "home.pcap", Settings(), policy, None, tmp_path / "o.parquet", raw=False
        )


def test_a_table_never_overwrites_its_capture(
    samples: Path, policy: Policy, tmp_path: Path
) -> None:
    capture = tmp_path / "mine.pcap"
    capture.write_bytes((samples / "home.pcap").read_bytes())
    with pytest.raises(OutputError, match="is the capture itself"):
        write_observations(capture, Settings(), policy, capture, None, raw=False)
    assert capture.read_bytes() == (samples / "home.pcap").read_bytes()


def test_the_command_writes_both_and_writes_them_again(samples: Path, tmp_path: Path) -> None:
    table, columns = tmp_path / "o.csv", tmp_path / "o.parquet"
    arguments = ("observe", samples / "home.pcap", "--csv", table, "--parquet", columns)
    first = json.loads(sluice(*arguments, "--json").stdout)
    before = table.read_bytes()
    assert (
        f"{first['rows']:,} observations of {first['flows']:,} flows" in sluice(*arguments).stdout
    )
    assert table.read_bytes() == before
    assert first["files"] == [str(table), str(columns)]
    assert pq.read_metadata(columns).num_rows == first["rows"] == len(rows_of(table))


def test_damage_is_a_warning(samples: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes((samples / "home.pcap").read_bytes()[:50_001])
    done = sluice("observe", cut, "--csv", tmp_path / "o.csv", "--json")
    assert done.stderr.startswith("warning: ")
    assert len(json.loads(done.stdout)["damaged"]) == 1
