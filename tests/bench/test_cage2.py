"""The CAGE-2 benchmark runs and prints one line of JSON."""

import json
import subprocess
import sys
from pathlib import Path


def test_it_prints_steps_and_memory_for_every_batch_on_one_core_and_two() -> None:
    command = [sys.executable, "-m", "tests.bench.cage2", "--seconds", "0.01", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--devices", "cpu"],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    for cores in ("cpu_1", "cpu_2"):
        assert list(result[cores]) == ["1", "100", "1000", "10000", "100000"]
        assert all(row["steps_per_second"] > 0 for row in result[cores].values())
        assert all(row["state_bytes_per_env"] > 0 for row in result[cores].values())
    assert "gpu" not in result
