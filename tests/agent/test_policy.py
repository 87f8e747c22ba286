"""What computes a policy: two runners with one result, and a session that leaves no trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from agent.bundle import Bundle
from agent.cli import load_policy
from agent.config import PolicySettings, Settings
from agent.errors import BundleError, ConfigError
from agent.policy import RUNNERS, Policy
from agent.session import session_options
from tests.agent.bundles import PUBLIC, F, linear_npz, make
from tests.agent.command import ROOT, sluice

NO_ONNXRUNTIME = "import sys; sys.modules['onnxruntime'] = None\n"
"""What makes the import of it fail, as it does where it is not installed."""

FLOW = "192.168.1.40:49522-198.51.100.88:8883/tcp"
"""Of the sample: its first one with a label."""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for both runners, its key beside it."""
    path = make(tmp_path_factory.mktemp("both") / "both.sluice", npz=linear_npz())
    path.with_suffix(".pub").write_bytes(PUBLIC)
    return path


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in another process."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False,
        timeout=60,
    )  # fmt: skip


def test_runners_agree(both: Path) -> None:
    bundle = Bundle.load(both, (PUBLIC,))
    # In [-1, 1) and of 1/128: exact in bytes.
    observations = np.random.default_rng(0).integers(-128, 128, (50, F)).astype(np.float32) / 128
    found = {runner: Policy(bundle, runner) for runner in RUNNERS}
    assert {name: each.runner for name, each in found.items()} == {
        "auto": "onnxruntime", "onnxruntime": "onnxruntime", "numpy": "numpy",
    }  # fmt: skip
    for each in found.values():
        assert np.array_equal(each.logits(observations), observations[:, :4])


@pytest.mark.parametrize(
    ("npz", "runner", "says"),
    [
        (
            None,
            "numpy",
            r"has no policy\.npz for the numpy runner; export it again with sluice-export",
        ),
        (b"no npz", "numpy", r"policy\.npz does not load: "),
        (linear_npz(inputs=3, outputs=3), "numpy", r"outputs \(3, 3\), not \(64, 4\)"),
        (linear_npz(outputs=5), "numpy", r"outputs \(64, 5\), not \(64, 4\)"),
    ],
)
def test_what_numpy_cannot_run_is_refused(
    tmp_path: Path, npz: bytes | None, runner: Any, says: str
) -> None:
    bundle = Bundle.load(make(tmp_path / "b.sluice", npz=npz), (PUBLIC,))
    with pytest.raises(BundleError, match=says):
        Policy(bundle, runner)
    assert Policy(bundle).runner == "onnxruntime"


def test_without_onnxruntime(both: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    bundle = Bundle.load(both, (PUBLIC,))
    assert Policy(bundle).runner == "numpy"
    with pytest.raises(ConfigError, match="onnxruntime is not installed here; pip install"):
        Policy(bundle, "onnxruntime")
    alone = Bundle.load(make(tmp_path / "b.sluice"), (PUBLIC,))
    with pytest.raises(BundleError, match="npz for the numpy runner and onnxruntime is not inst"):
        Policy(alone)


def test_numpy_replays_where_onnxruntime_is_missing(both: Path, samples: Path) -> None:
    def replay(before: str, runner: str) -> dict[str, Any]:
        arguments = ["replay", str(samples / "home.pcap"), "--policy", str(both), "--json"]
        code = f"{before}from agent.cli import app; app({[*arguments, '--runner', runner]!r})"
        done = python(code)
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    one, other = replay(NO_ONNXRUNTIME, "auto"), replay(NO_ONNXRUNTIME, "numpy")
    assert one["verdicts"] == other["verdicts"]
    assert one["decision_points"] == replay("", "onnxruntime")["decision_points"] > 100


@pytest.mark.parametrize("command", ["replay", "observe", "explain"])
def test_onnxruntime_is_not_imported_when_numpy_runs(
    both: Path, samples: Path, tmp_path: Path, command: str
) -> None:
    more = {"observe": ["--csv", tmp_path / "o.csv"], "explain": ["--flow", FLOW]}
    arguments = [command, samples / "home.pcap", "--policy", both, *more.get(command, [])]
    names = [*map(str, arguments), "--runner", "numpy"]
    code = (
        f"import sys; from agent.cli import app; app({names!r}, standalone_mode=False);"
        " print('imported:', 'onnxruntime' in sys.modules, 'agent.int8' in sys.modules)"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported: False True"


def test_the_option_is_stronger_than_the_settings(both: Path) -> None:
    settings = Settings(policy=PolicySettings(runner="numpy"))
    assert load_policy(both, None, settings).runner == "numpy"
    assert load_policy(both, None, settings, "onnxruntime").runner == "onnxruntime"
    assert load_policy(both, None).runner == "onnxruntime"


def test_an_unknown_runner_is_bad_usage(samples: Path) -> None:
    done = sluice("replay", samples / "home.pcap", "--runner", "torch", code=2)
    assert "none of auto, onnxruntime, numpy" in " ".join(done.stderr.split())


def test_session_options_are_as_promised() -> None:
    options = session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.execution_mode == ort.ExecutionMode.ORT_SEQUENTIAL
    assert not options.enable_cpu_mem_arena
    assert not options.enable_mem_pattern
    for pool in ("intra", "inter"):
        assert options.get_session_config_entry(f"session.{pool}_op.allow_spinning") == "0"


_WATCH = """
import json, os, resource, sys, time
from pathlib import Path
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np, onnxruntime as ort
from agent.bundle import Bundle
from agent.policy import Policy

def threads():
    return len(os.listdir("/proc/self/task"))

def seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

bundle = Bundle.default()
before = threads()
policy = Policy(bundle, "onnxruntime")
zeros = np.zeros((64, 64), np.float32)
for _ in range(20):
    policy.logits(zeros)
ours, start = threads() - before, seconds()
time.sleep(0.5)
idle = seconds() - start
options = ort.SessionOptions()
options.intra_op_num_threads = 4
usual = ort.InferenceSession(bundle.onnx, options, providers=["CPUExecutionProvider"])
print(json.dumps([ours, idle, threads() - before]))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc to count threads in")
def test_an_idle_policy_takes_no_cpu_and_no_threads() -> None:
    done = python(_WATCH)
    assert done.returncode == 0, done.stderr
    ours, idle_s, with_usual_options = json.loads(done.stdout)
    assert ours == 0
    assert idle_s < 0.02  # of 0.5; one spinning thread would take all of it
    assert with_usual_options >= 3  # the count does see such threads


@pytest.mark.parametrize(
    "package", ["agent.replay", "training.cage2.onnx_policy", "export.runners"]
)
def test_nothing_is_kept_for_the_runtime_s_maker(package: str, tmp_path: Path) -> None:
    """onnxruntime writes a device's identity to the home folder unless it is told not to."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import {package}\n"
            "from agent.bundle import Bundle; from agent.policy import Policy\n"
            "assert Policy(Bundle.default()).runner == 'onnxruntime'",
        ],
        env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
