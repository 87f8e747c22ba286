"""Environment steps per second of CAGE-2: ``python -m tests.bench.cage2``.

Plays random actions against a mixture of B_line and Meander, 100 steps an episode, and prints one
line of JSON: for one CPU core, for two, and for a GPU where there is one, the median of several
rounds at each batch size. The actions are drawn beforehand; everything else that a training loop
pays for is inside: red's draws, the step, the observation, the new episodes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from statistics import median
from typing import Any

import torch

from tests.bench.machine import machine
from training.cage2.env import Cage2
from training.provenance import commit

BATCHES = (1, 100, 1_000, 10_000, 100_000)
GPU_BATCHES = (*BATCHES, 1_000_000)
_ACTION_SETS = 16


def measure(env: Cage2, seconds: float, rounds: int) -> dict[str, Any]:
    """Steps per second of one environment batch, by the clock on the wall."""
    actions = torch.randint(
        env.num_actions,
        (_ACTION_SETS, env.num_envs),
        generator=env.generator,
        device=env.generator.device,
    )
    run(env, actions, 3)  # compiles, fills caches
    once = max(run(env, actions, 10) / 10, 1e-6)
    steps = max(5, int(seconds / rounds / once))
    rates = [steps * env.num_envs / run(env, actions, steps) for _ in range(rounds)]
    return {
        "steps_per_second": round(median(rates)),
        "slowest_round": round(min(rates)),
        "fastest_round": round(max(rates)),
        "state_bytes_per_env": env.state_bytes() // env.num_envs,
    }


def run(env: Cage2, actions: torch.Tensor, steps: int) -> float:
    """Seconds that so many steps take."""
    _wait(env)
    begun = time.perf_counter()
    for i in range(steps):
        env.step(actions[i % _ACTION_SETS])
    _wait(env)
    return time.perf_counter() - begun


def _wait(env: Cage2) -> None:
    if env.generator.device.type == "cuda":
        torch.cuda.synchronize()


def sweep(device: str, batches: tuple[int, ...], options: argparse.Namespace) -> dict[str, Any]:
    """Every batch size on one device."""
    results = {}
    for batch in batches:
        print(f"{device}, {torch.get_num_threads()} threads, batch {batch}", file=sys.stderr)
        generator = torch.Generator(device).manual_seed(options.seed)
        if device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        if options.compiled:
            torch.compiler.reset()  # it gives up after a few shapes of one function
        env = Cage2(batch, generator, compiled=options.compiled)
        results[str(batch)] = measure(env, options.seconds, options.rounds)
        if device == "cuda":
            peak = torch.cuda.max_memory_allocated()
            results[str(batch)]["peak_bytes_per_env"] = peak // batch
    return results


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each figure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compiled", action="store_true", help="by torch.compile")
    parser.add_argument("--devices", default="cpu,cuda", help="comma-separated")
    options = parser.parse_args()
    devices = options.devices.split(",")
    hardware = machine() | {"torch": torch.__version__}
    if torch.cuda.is_available():
        hardware["gpu"] = torch.cuda.get_device_name()
    results: dict[str, Any] = {"commit": commit(), "machine": hardware, "seed": options.seed}
    results |= {"rounds": options.rounds, "compiled": options.compiled}
    for threads in (1, 2) if "cpu" in devices else ():
        torch.set_num_threads(threads)
        results[f"cpu_{threads}"] = sweep("cpu", BATCHES, options)
    if "cuda" in devices and torch.cuda.is_available():
        results["gpu"] = sweep("cuda", GPU_BATCHES, options)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
