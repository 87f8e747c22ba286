"""What a policy costs: by a process that holds what a box holds; how much, no test decides."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from agent.int8 import packed
from agent.keys import public_text
from agent.observation import FEATURES, Transform
from agent.profile_sections import Runner
from export.errors import MeasureFailed
from export.measure import Order, measure, measured, observations, quietest
from export.policy_onnx import policy_onnx
from tests.agent.bundles import OTHER_SECRET, PUBLIC, F, make
from tests.agent.command import ROOT
from tests.agent.test_int8 import network


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = network(1, F, 16, 4)
    path = tmp_path_factory.mktemp("measured") / "b.sluice"
    return make(path, policy_onnx(made, "int8"), npz=packed(made))


def order(bundle: Path) -> Order:
    return Order(
        bundle=bundle, key=public_text(PUBLIC), runner="numpy", batch=8, windows=1, calls=10
    )


@pytest.mark.parametrize("runner", ["onnxruntime", "numpy"])
def test_a_cost_is_measured_with_either_runner(bundle: Path, runner: Runner) -> None:
    cost = measure(bundle, PUBLIC, runner, 256, windows=2, calls=50)
    assert cost.runner == runner
    assert cost.architecture == {"x86_64": "x86-64"}.get(platform.machine(), platform.machine())
    for latency in (cost.alone, cost.many):
        assert 0 < latency.p50_us <= latency.p99_us
    assert 0 < cost.import_ms < cost.load_ms
    # Python with numpy takes more than 20 MiB; a process with torch in it more than 200.
    assert 20 < cost.rss_load_mib <= cost.rss_run_mib < 200
    assert cost.threads >= 1
    assert cost.windows == 2


def test_the_memory_of_a_large_pass_counts(bundle: Path) -> None:
    small, large = (
        measure(bundle, PUBLIC, "numpy", batch, windows=1, calls=10) for batch in (1, 1 << 17)
    )
    rows_mib = (1 << 17) * F * 4 / (1 << 20)
    assert large.rss_run_mib - small.rss_run_mib > rows_mib


def test_no_lab_is_in_the_process(bundle: Path) -> None:
    code = (
        "import sys; from export.measure import Order, measured;"
        f" measured(Order.model_validate_json({order(bundle).model_dump_json()!r}));"
        " print(sorted({'torch', 'training', 'onnx', 'scapy', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_with_the_lab_loaded_nothing_is_measured(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    with pytest.raises(MeasureFailed, match=r"beside .*torch.*, which no box has"):
        measured(order(bundle))


def test_a_policy_that_does_not_load_is_not_measured(bundle: Path, tmp_path: Path) -> None:
    alone = make(tmp_path / "alone.sluice")
    with pytest.raises(MeasureFailed) as caught:
        measure(alone, PUBLIC, "numpy", 1)
    assert str(caught.value) == (
        f"{alone}: cannot be measured with numpy: has no policy.npz for the numpy runner; export it"
        " again with sluice-export, or use onnxruntime"
    )
    strange = make(tmp_path / "strange.sluice", secret=OTHER_SECRET)
    with pytest.raises(MeasureFailed, match="with onnxruntime: not signed by a trusted key"):
        measure(strange, PUBLIC, "onnxruntime", 1)


def test_the_quietest_window_counts() -> None:
    quiet = np.arange(1, 102) * 1000  # 1 to 101 µs
    noisy = np.full(101, 500)
    noisy[-3:] = 10**9
    found = quietest([noisy, quiet, quiet + 1000])
    assert (found.p50_us, found.p99_us) == (51.0, 100.0)


def test_observations_are_plausible_and_always_the_same() -> None:
    drawn = observations(500)
    assert drawn.dtype == np.float32
    assert drawn.shape == (500, F)
    assert np.array_equal(drawn, observations(500))
    assert np.array_equal(drawn[:20], observations(20))
    for column, feature in zip(drawn.T, FEATURES, strict=True):
        low, high = {
            Transform.IDENTITY: (0, 1),
            Transform.LOG: (0, 3),
            Transform.SIGNED_LOG: (-3, 3),
        }[feature.transform]
        assert low <= column.min() < low + 0.1, feature.name
        assert high - 0.1 < column.max() <= high, feature.name
