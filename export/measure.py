"""What a policy costs: measured in a process of its own, which loads what the agent loads.

Neither torch nor anything else of the lab is in that process, so that memory and load time are a
box's, if it has the same architecture. It goes through what the agent does, in this order:

- Load: from a bundle's path to a policy that can be asked: imports of what verifies and of what
  computes, signature and hashes, the network. The imports are told apart, for they happen once a
  start, and depend on the disk.
- Latency: of `Policy.logits`, call by call, for one observation and for 64. Of several windows the
  one with the least p99 counts: other work on the machine can only ever add. (Where more work is
  under way than there are cores, no window is without it, and p99 is the scheduler's.)
- One pass as large as the profile's, for the memory that it takes.

Memory is the largest resident set up to then (VmHWM, proc(5)).
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agent.bundle import Bundle
from agent.errors import SluiceError
from agent.keys import parse_public_key, public_text
from agent.observation import TRANSFORMS, Transform
from agent.policy import Policy
from agent.profile_sections import Runner
from export.errors import MeasureFailed

MANY: Final = 64
"""Observations of a call, where it is not one."""
WINDOWS: Final = 9
CALLS: Final = 2_000
"""Of a window: its p99 is the twentieth slowest."""

_WARM_UP: Final = 200  # calls
_OBSERVATIONS: Final = 16 * MANY
# All that `sluice replay --json` imports before it loads a policy, so that its memory counts.
_AGENT: Final = ("agent.cli", "agent.replay", "agent.report")
_VERIFIER: Final = "cryptography.hazmat.primitives.asymmetric.ed25519"
_NEEDED: Final[dict[Runner, tuple[str, ...]]] = {
    "onnxruntime": (_VERIFIER, "onnxruntime", "agent.session"),
    "numpy": (_VERIFIER, "agent.int8"),
}
_LAB: Final = ("onnx", "torch", "training")
_ROOT: Final = Path(__file__).parents[1]  # where this very package is found
_MIB: Final = 1 << 20

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Latency(BaseModel):
    """Of one call, µs."""

    model_config = ConfigDict(frozen=True)

    p50_us: Positive
    p99_us: Positive


class Cost(BaseModel):
    """What one policy costs under one runner.

    Attributes:
        architecture: of the machine that it was measured on, as profiles name it.
        load_ms: from the bundle's path to a policy that can be asked.
        import_ms: the part of it that imports took.
        alone, many: latency of 1 observation and of `MANY` together.
        rss_load_mib, rss_run_mib: most resident memory until the policy was loaded, and until the
            end, MiB.
        threads: of the process when it has done its work.
        windows: that latencies are the quietest of.
    """

    model_config = ConfigDict(frozen=True)

    architecture: str
    runner: Runner
    load_ms: Positive
    import_ms: Positive
    alone: Latency
    many: Latency
    rss_load_mib: Positive
    rss_run_mib: Positive
    threads: int = Field(ge=1)
    windows: int = Field(ge=1)


class Order(BaseModel):
    """What the process is to measure: the arguments of `measure`, the key as text."""

    bundle: Path
    key: str
    runner: Runner
    batch: int = Field(ge=1)
    windows: int = Field(ge=1)
    calls: int = Field(ge=1)


def measure(
    bundle: Path,
    key: bytes,
    runner: Runner,
    batch: int,
    *,
    windows: int = WINDOWS,
    calls: int = CALLS,
) -> Cost:
    """What a gateway's policy costs on this machine; takes some seconds.

    Args:
        bundle: that holds it.
        key: the public key that the bundle is signed by, 32 bytes.
        runner: what computes it.
        batch: most decision points of one pass, as the profile's ``engine.batch``.
        windows: of calls, for each of the two latencies.
        calls: in each window.

    Raises:
        MeasureFailed: there is no result; says why.
    """
    order = Order(
        bundle=bundle.resolve(), key=public_text(key), runner=runner, batch=batch,
        windows=windows, calls=calls,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "export.measure", order.model_dump_json()],
        cwd=_ROOT, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # as `sluice` sets it
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        why = said[-1].removeprefix(f"{order.bundle}: ")
        raise MeasureFailed(f"{bundle}: cannot be measured with {runner}: {why}")
    return Cost.model_validate_json(done.stdout)


def measured(order: Order) -> Cost:
    """Measure in this very process, which must be a fresh one.

    Raises:
        BundleError: the policy cannot be loaded.
        ConfigError: the key is none, or the runner is not installed.
        MeasureFailed: the lab is loaded, too.
    """
    for name in _AGENT:
        import_module(name)
    from agent.report import peak_rss_bytes

    policy, import_ms, load_ms = _loaded(order)
    rss_load = peak_rss_bytes()
    sample = observations(_OBSERVATIONS)
    alone, many = (
        quietest(_windows(policy, sample, rows, order.windows, order.calls)) for rows in (1, MANY)
    )
    policy.logits(np.resize(sample, (order.batch, sample.shape[1])))
    rss_run = peak_rss_bytes()
    if found := [name for name in _LAB if name in sys.modules]:
        raise MeasureFailed(f"measured beside {', '.join(found)}, which no box has; that is wrong")
    return Cost(
        architecture=platform.machine().replace("_", "-"),  # Linux says x86_64
        runner=order.runner, load_ms=load_ms, import_ms=import_ms, alone=alone, many=many,
        rss_load_mib=rss_load / _MIB, rss_run_mib=rss_run / _MIB,
        threads=len(list(Path("/proc/self/task").iterdir())), windows=order.windows,
    )  # fmt: skip


def observations(count: int) -> NDArray[np.float32]:
    """``(count, F)``, drawn within what `agent.observation` says of features; always the same.

    Without numpy's generators, which the agent does not load, and without any array beside it: the
    memory would count.
    """
    generator = Random(0)
    size = count * len(TRANSFORMS)
    drawn = np.fromiter((generator.random() for _ in range(size)), np.float32, size)
    drawn = drawn.reshape(count, len(TRANSFORMS))
    drawn *= np.where(TRANSFORMS == Transform.IDENTITY, 1, 3).astype(np.float32)
    drawn[1::2] *= np.where(TRANSFORMS == Transform.SIGNED_LOG, -1, 1).astype(np.float32)
    return drawn


def quietest(windows: Iterable[NDArray[np.int64]]) -> Latency:
    """That of the window with the least p99, of ns by call."""
    quantiles = [np.quantile(each, (0.5, 0.99)) / 1e3 for each in windows]
    p50, p99 = min(quantiles, key=lambda each: float(each[1]))
    return Latency(p50_us=float(p50), p99_us=float(p99))


def _loaded(order: Order) -> tuple[Policy, float, float]:
    """The policy, and the ms for imports and for all of it."""
    begin = time.perf_counter()
    for name in _NEEDED[order.runner]:
        with suppress(ModuleNotFoundError):  # `Policy` says it better
            import_module(name)
    imported = time.perf_counter()
    bundle = Bundle.load(order.bundle, (parse_public_key(order.key),))
    policy = Policy(bundle, order.runner)
    end = time.perf_counter()
    return policy, (imported - begin) * 1e3, (end - begin) * 1e3


def _windows(
    policy: Policy, sample: NDArray[np.float32], rows: int, windows: int, calls: int
) -> Iterator[NDArray[np.int64]]:
    """Windows of calls with so many observations each, after a warm-up."""
    batches = [sample[at : at + rows] for at in range(0, len(sample), rows)]
    _window(policy, batches, _WARM_UP)
    for _ in range(windows):
        yield _window(policy, batches, calls)


def _window(
    policy: Policy, batches: Sequence[NDArray[np.float32]], calls: int
) -> NDArray[np.int64]:
    """The ns that each of so many calls took."""
    times = np.empty(calls, np.int64)
    for call in range(calls):
        batch = batches[call % len(batches)]
        begin = time.perf_counter_ns()
        policy.logits(batch)
        times[call] = time.perf_counter_ns() - begin
    return times


def main() -> None:
    """Measure what the only argument says, an `Order` as JSON; print a `Cost` as JSON."""
    try:
        cost = measured(Order.model_validate_json(sys.argv[1]))
    except SluiceError as error:
        raise SystemExit(str(error)) from None
    print(json.dumps(cost.model_dump()))


if __name__ == "__main__":
    main()
