"""Replay of recorded episodes: given all choices and outcomes, every step must be the official one.

All episodes of a trace are one batch; nothing in a replay is random.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from training.cage2 import dynamics, monitor, red
from training.cage2.bits import DTYPE, bit, members, overlap
from training.cage2.codes import EXPLOIT, REDS
from training.cage2.scenario import Scenario, Variant, load
from training.cage2.state import Outcome, RedAction, State, initial
from training.cage2.tables import Tables, compile_tables
from training.cage2.trace import Trace, read
from training.device import pick

# What is compared at every step.
KINDS: Final = ("observation", "reward", "state", "red_action")
_REWARD_TOLERANCE: Final = 1e-4


@dataclass
class Mismatches:
    """Steps that differ, by kind, and the first of them in words."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    first: str | None = None

    def note(self, kind: str, step: int, wrong: torch.Tensor) -> None:
        """Count the episodes ``(E,)`` bool in which something is wrong at a step."""
        count = int(wrong.sum())
        self.counts[kind] += count
        if count and self.first is None:
            episode = int(wrong.nonzero()[0, 0])
            self.first = f"{kind.replace('_', ' ')} of episode {episode} at step {step}"


def replay(trace: Trace, scenario: Scenario, device: torch.device) -> Mismatches:
    """Step through all episodes with the recorded outcomes and compare everything recorded."""
    tables = compile_tables(scenario, trace.variant, device)
    arrays = {name: torch.from_numpy(array).to(device) for name, array in trace.arrays.items()}
    kinds = torch.full((trace.episodes,), REDS[trace.red], dtype=DTYPE, device=device)
    state = initial(tables, kinds)
    mismatches = Mismatches()
    for t in range(trace.steps):
        attack = RedAction(
            arrays["red_type"][:, t].to(DTYPE),
            arrays["red_target"][:, t].to(DTYPE),
            arrays["red_exploit"][:, t].to(DTYPE),
            arrays["red_detected"][:, t] == 1,
        )
        state, kind, targets = dynamics.prepare(tables, state)
        possible = _possible(tables, state, kind, targets, attack)
        mismatches.note("red_action", t, ~possible)
        action = arrays["blue_action"][:, t].to(DTYPE)
        state, outcome = dynamics.apply(tables, state, action, attack)
        obs = monitor.observe(tables, state.view)
        mismatches.note("observation", t, (obs != arrays["obs"][:, t + 1]).any(1))
        gap = (outcome.reward - arrays["reward"][:, t]).abs()
        mismatches.note("reward", t, gap > _REWARD_TOLERANCE)
        _compare_state(mismatches, t, tables, state, outcome, arrays)
    return mismatches


def _possible(
    tables: Tables, state: State, kind: torch.Tensor, targets: torch.Tensor, attack: RedAction
) -> torch.Tensor:
    """``(E,)`` bool: red could have chosen what was recorded."""
    target = overlap(targets, bit(attack.target)) | (targets == 0) & (attack.target < 0)
    usable = members(red.usable(tables, state, attack.target), len(tables.exploits.by_weight))
    chosen = usable.bool() & (tables.exploits.by_weight[:, None] == attack.exploit)
    none = (attack.exploit < 0) & ~(usable.any(0) & (kind == EXPLOIT))
    return (kind == attack.kind) & target & (chosen.any(0) | none)


def _compare_state(
    mismatches: Mismatches,
    t: int,
    tables: Tables,
    state: State,
    outcome: Outcome,
    recorded: dict[str, torch.Tensor],
) -> None:
    wrong = torch.zeros_like(state.success)
    for name, ours in _truth(tables, state).items():
        differs = ours != recorded[name][:, t + 1]
        wrong |= differs.any(1) if differs.dim() > 1 else differs
    # 2 is unknown: red slept; blue's flag says something of decoys only.
    red_success, blue_success = recorded["red_success"][:, t], recorded["blue_success"][:, t]
    wrong |= (state.success != red_success) & (red_success != 2)
    wrong |= ~outcome.blue_success & (blue_success == 1)
    wrong |= outcome.blue_success & (blue_success == 0)
    user = recorded["true_comp"][:, t + 1] == 1
    for name, ours in (("removable", state.removable), ("unremovable", state.unremovable)):
        held = members(ours, tables.hosts).t().bool()
        wrong |= ((held != recorded[f"sess_{name}"][:, t + 1].bool()) & user).any(1)
    mismatches.note("state", t, wrong)


def _truth(tables: Tables, state: State) -> dict[str, torch.Tensor]:
    """Our true state under the trace's names, ``(E, H)`` or ``(E,)``."""

    def per_host(sets: torch.Tensor) -> torch.Tensor:
        return members(sets, tables.hosts).t()

    return {
        "true_comp": torch.maximum(
            2 * per_host(state.privileged), per_host(state.removable | state.unremovable)
        ),
        "malware": per_host(state.malware),
        "decoys": state.decoys.t(),
        "red_scanned": per_host(state.scanned),
        "red_ports": state.known_ports.t(),
        "ot_up": state.service_up,
        "red_knows_ot": state.knows_service,
    }


def verify_all(
    paths: Iterable[Path],
    scenario: str = "official",
    device: str = "cpu",
    variant: Variant | None = None,
    red_name: str | None = None,
) -> dict[str, Any]:
    """Replay traces one after another.

    Returns:
        ``files``, ``episodes``, ``steps`` and ``mismatches`` by kind over all of them, and the same
        for each of ``traces``.

    Raises:
        ScenarioError: no such scenario.
        DeviceMissing: torch has no such device here.
        TraceError: a file is no trace of the scenario.
    """
    network = load(scenario)
    results: list[dict[str, Any]] = []
    for path in paths:
        trace = read(path, network, variant, red_name)
        found = replay(trace, network, pick(device))
        results.append(
            {
                "path": str(path),
                "episodes": trace.episodes,
                "steps": trace.episodes * trace.steps,
                "mismatches": found.counts,
                "first": found.first,
            }
        )
    return {
        "files": len(results),
        "episodes": sum(result["episodes"] for result in results),
        "steps": sum(result["steps"] for result in results),
        "mismatches": {kind: sum(r["mismatches"][kind] for r in results) for kind in KINDS},
        "traces": results,
    }
