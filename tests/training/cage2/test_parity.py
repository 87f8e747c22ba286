"""Recorded official episodes replay without a mismatch, and any difference is noticed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from training.cage2.parity import KINDS, replay
from training.cage2.scenario import load
from training.cage2.trace import read
from training.errors import TraceError

OFFICIAL = load("official")
CPU = torch.device("cpu")
Arrays = dict[str, NDArray[Any]]


def sluice_train(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training.cli", "cage2", "verify", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture(scope="session")
def traces(shared: Path) -> list[Path]:
    paths = sorted((shared / "cage2" / "traces").glob("*.npz"))
    if not paths:
        pytest.skip("no recorded traces")
    return paths


def recorded(traces: list[Path], name: str) -> Arrays:
    path = next(path for path in traces if path.name == name)
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


def test_every_recorded_step_is_reproduced(traces: list[Path]) -> None:
    done = sluice_train(*traces, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["files"] == len(traces)
    assert result["episodes"] == sum(trace["episodes"] for trace in result["traces"])
    assert result["steps"] == 100 * result["episodes"]
    assert result["mismatches"] == dict.fromkeys(KINDS, 0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_every_recorded_step_is_reproduced_on_a_gpu(traces: list[Path]) -> None:
    for path in traces:
        found = replay(read(path, OFFICIAL), OFFICIAL, torch.device("cuda"))
        assert found.counts == dict.fromkeys(KINDS, 0), path.name


# One altered entry each, and the kind of mismatch that it must be counted as.
ALTERED = [
    ("obs", (3, 40, 9), "observation"),
    ("reward", (3, 40), "reward"),
    ("true_comp", (3, 40, 2), "state"),
    ("decoys", (3, 40, 2), "state"),
    ("malware", (3, 40, 2), "state"),
    ("red_ports", (3, 40, 2), "state"),
    ("red_scanned", (3, 40, 2), "state"),
    ("red_success", (3, 40), "state"),
    ("ot_up", (3, 40), "state"),
    ("red_knows_ot", (3, 40), "state"),
]


@pytest.mark.parametrize(("name", "where", "kind"), ALTERED)
def test_an_altered_record_is_one_mismatch_of_its_kind(
    traces: list[Path], tmp_path: Path, name: str, where: tuple[int, ...], kind: str
) -> None:
    arrays = recorded(traces, "head_Meander_uniform.npz")
    value = arrays[name][where]
    arrays[name][where] = value - 0.1 if name == "reward" else 1 - (value != 0)
    path = tmp_path / "head_Meander_altered.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    found = replay(read(path, OFFICIAL), OFFICIAL, CPU)
    assert found.counts == dict.fromkeys(KINDS, 0) | {kind: 1}
    step = where[1] if name in {"reward", "red_success"} else where[1] - 1
    assert found.first == f"{kind} of episode 3 at step {step}"


def test_an_impossible_choice_of_reds_is_noticed(traces: list[Path], tmp_path: Path) -> None:
    arrays = recorded(traces, "head_B_line_sleep.npz")
    arrays["red_target"][0, 1] = 8  # B_line never begins at its foothold
    path = tmp_path / "head_B_line_altered.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    done = sluice_train(path, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["mismatches"]["red_action"] > 0


def test_an_impossible_exploit_is_noticed(traces: list[Path]) -> None:
    path = next(path for path in traces if path.name == "head_B_line_sleep.npz")
    trace = read(path, OFFICIAL)
    trace.arrays["red_exploit"][5, 2] = 4  # the third step attacks the entry
    trace.arrays["red_target"][5, 1:3] = 10  # User2, which has no SSH
    assert replay(trace, OFFICIAL, CPU).counts["red_action"] > 0


def test_rules_of_the_other_variant_are_noticed(traces: list[Path]) -> None:
    path = next(path for path in traces if path.name == "lb_Meander_react.npz")
    done = sluice_train(path, "--variant", "head")
    assert done.returncode == 1
    assert "mismatches" in done.stdout
    assert "first: " in done.stdout


def arrays_of_nothing(episodes: int = 1, steps: int = 2) -> Arrays:
    """The smallest trace: red and blue sleep."""
    before: Arrays = {
        name: np.zeros((episodes, steps), np.int8)
        for name in ("blue_action", "red_type", "red_success", "red_detected")
    }
    before["blue_success"] = np.full((episodes, steps), 2)  # unknown: blue slept
    before |= {name: np.full((episodes, steps), -1) for name in ("red_target", "red_exploit")}
    after = (episodes, steps + 1)
    hosts = ("sess_removable", "sess_unremovable", "malware", "decoys", "red_scanned", "red_ports")
    true_comp = np.zeros((*after, 13), np.uint8)
    true_comp[..., OFFICIAL.index("User0")] = 2
    return before | {
        "reward": np.zeros((episodes, steps), np.float32),
        "obs": np.zeros((*after, 52), np.uint8),
        "ot_up": np.ones(after, np.uint8),
        "red_knows_ot": np.zeros(after, np.uint8),
        "true_comp": true_comp,
        **{name: np.zeros((*after, 13), np.uint8) for name in hosts},
    }


def save(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_the_smallest_trace_replays(tmp_path: Path) -> None:
    path = save(tmp_path / "sleep.npz", arrays_of_nothing())
    done = sluice_train(path, "--variant", "head", "--red", "Sleep", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 2


BROKEN = {
    "lacks reward": lambda arrays: arrays.pop("reward"),
    "obs has shape": lambda arrays: arrays.update(obs=arrays["obs"][:, :-1]),
    "blue_action has shape": lambda arrays: arrays.update(blue_action=np.zeros((0, 5), np.int8)),
    r"blue_action has values that are not in \[0, 144\]": lambda arrays: arrays.update(
        blue_action=arrays["blue_action"] - 1
    ),
    "red_target has values": lambda arrays: arrays.update(red_target=arrays["red_target"] + 20),
    "reward has values": lambda arrays: arrays.update(reward=arrays["reward"] + np.nan),
}


@pytest.mark.parametrize("message", BROKEN)
def test_an_unusable_trace_is_refused_with_the_reason(tmp_path: Path, message: str) -> None:
    arrays = arrays_of_nothing()
    BROKEN[message](arrays)
    with pytest.raises(TraceError, match=message):
        read(save(tmp_path / "head_Sleep_x.npz", arrays), OFFICIAL)


def test_names_that_say_nothing_ask_for_the_option(tmp_path: Path) -> None:
    path = save(tmp_path / "trace.npz", arrays_of_nothing())
    with pytest.raises(TraceError, match="say --variant"):
        read(path, OFFICIAL)
    path = path.rename(tmp_path / "head_trace.npz")
    with pytest.raises(TraceError, match="say --red"):
        read(path, OFFICIAL)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), (b"", "no .npz file"), (b"PK", "no .npz")]
)
def test_what_is_no_trace_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "head_Sleep_x.npz"
    if content is not None:
        path.write_bytes(content)
    done = sluice_train(path)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "head_Sleep_x.npz", arrays_of_nothing())
    done = sluice_train(path, "--device", "gpu0")
    assert done.returncode == 1
    assert "device 'gpu0'" in done.stderr
