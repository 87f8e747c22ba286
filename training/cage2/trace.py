"""Episodes recorded from the official environment, and their replay through ours.

A trace is an ``.npz`` with blue's and red's actions and every random outcome, episodes first. All
episodes of a file replay together as one batch; nothing in a replay is random.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from training.cage2 import dynamics, monitor, red
from training.cage2.bits import DTYPE, bit, members, overlap
from training.cage2.scenario import Scenario, Variant
from training.cage2.state import B_LINE, MEANDER, SLEEP_RED, RedAction, State, Step, initial
from training.cage2.tables import Tables, compile_tables
from training.errors import TraceError

REDS: Final = {"B_line": B_LINE, "Meander": MEANDER, "Sleep": SLEEP_RED}
# Also the keys of the result: what is compared at every step.
KINDS: Final = ("observation", "reward", "state", "red_action")
_REWARD_TOLERANCE: Final = 1e-4
_INPUTS: Final = ("blue_action", "red_type", "red_target", "red_exploit", "red_detected")
_HOST_STATE: Final = ("true_comp", "malware", "decoys", "red_scanned", "red_ports")
_OUTPUTS: Final = ("obs", "reward", "red_success", *_HOST_STATE, "ot_up", "red_knows_ot")


@dataclass(frozen=True)
class Trace:
    """Recorded episodes of one variant and one red agent.

    ``arrays`` holds ``(E, T, …)`` for what happens in a step and ``(E, T + 1, …)`` for situations.
    """

    path: Path
    variant: Variant
    red: str
    arrays: dict[str, NDArray[Any]]

    @property
    def episodes(self) -> int:
        """How many episodes, ``E``."""
        return int(self.arrays["blue_action"].shape[0])

    @property
    def steps(self) -> int:
        """Steps of each episode, ``T``."""
        return int(self.arrays["blue_action"].shape[1])


@dataclass
class Mismatches:
    """Steps that differ, by kind, and the first of them in words."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    first: str | None = None

    def note(self, kind: str, what: str, step: int, wrong: torch.Tensor) -> None:
        """Count the episodes ``(E,)`` bool in which something is wrong at a step."""
        count = int(wrong.sum())
        self.counts[kind] += count
        if count and self.first is None:
            episode = int(wrong.nonzero()[0, 0])
            self.first = f"{what} differs first in episode {episode} at step {step}"


def load(path: Path) -> Trace:
    """Read a trace; its name says the variant and red: ``head_B_line_uniform.npz``.

    Raises:
        TraceError: the file is no trace, or its name or its arrays are not a trace's.
    """
    variant, red_name = _kind_of(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TraceError(f"{path}: no readable .npz trace ({error})") from error
    if missing := [name for name in (*_INPUTS, *_OUTPUTS) if name not in arrays]:
        raise TraceError(f"{path}: the trace lacks {', '.join(missing)}")
    return Trace(path, variant, red_name, arrays)


def _kind_of(path: Path) -> tuple[Variant, str]:
    for variant in Variant:
        for name in REDS:
            if path.name.startswith(f"{variant}_{name}_"):
                return variant, name
    raise TraceError(f"{path}: name a trace VARIANT_RED_POLICY.npz, like head_B_line_uniform.npz")


def replay(trace: Trace, scenario: Scenario, device: torch.device) -> Mismatches:
    """Step through all episodes with the recorded outcomes and compare everything recorded.

    Raises:
        TraceError: the trace is of a network with another number of hosts.
    """
    tables = compile_tables(scenario, trace.variant, device)
    arrays = {name: torch.from_numpy(array).to(device) for name, array in trace.arrays.items()}
    if arrays["true_comp"].shape[-1] != tables.hosts:
        raise TraceError(f"{trace.path}: not a trace of the {tables.hosts} hosts of {scenario.name}")
    kinds = torch.full((trace.episodes,), REDS[trace.red], dtype=DTYPE, device=device)
    state = initial(tables, kinds)
    mismatches = Mismatches()
    for t in range(trace.steps):
        now = {name: array[:, t] for name, array in arrays.items() if array.dim() > 1}
        after = {name: array[:, t + 1] for name, array in arrays.items() if name in _SITUATIONS}
        attack = RedAction(
            now["red_type"].to(DTYPE),
            now["red_target"].to(DTYPE),
            now["red_exploit"].to(DTYPE),
            now["red_detected"] == 1,
        )
        state, kind, targets = dynamics.prepare(tables, state)
        possible = _possible(tables, state, kind, targets, attack)
        mismatches.note("red_action", "red's action", t, ~possible)
        state, step = dynamics.apply(tables, state, now["blue_action"].to(DTYPE), attack)
        _compare(mismatches, t, tables, state, step, {**now, **after})
    return mismatches


_SITUATIONS: Final = frozenset({"obs", *_HOST_STATE, "ot_up", "red_knows_ot"})


def _possible(
    tables: Tables, state: State, kind: torch.Tensor, targets: torch.Tensor, attack: RedAction
) -> torch.Tensor:
    """``(E,)`` bool: red could have chosen what was recorded."""
    target = overlap(targets, bit(attack.target)) | (targets == 0) & (attack.target < 0)
    can = red.usable(tables, state, attack.target)
    chosen = can & (tables.by_weight[:, None] == attack.exploit)
    none = (attack.exploit < 0) & ~(can.any(0) & (kind == red.EXPLOIT))
    return (kind == attack.kind) & target & (chosen.any(0) | none)


def _compare(
    mismatches: Mismatches,
    t: int,
    tables: Tables,
    state: State,
    step: Step,
    recorded: dict[str, torch.Tensor],
) -> None:
    observation = monitor.observe(tables, step.activity, state.verdict)
    mismatches.note("observation", "obs", t, (observation != recorded["obs"]).any(1))
    gap = (step.reward - recorded["reward"]).abs()
    mismatches.note("reward", "reward", t, gap > _REWARD_TOLERANCE)
    wrong = torch.zeros_like(state.success)
    for name, ours in _truth(tables, state).items():
        theirs = recorded[name].to(ours.dtype)
        differs = ours != theirs
        differs = differs.any(1) if differs.dim() > 1 else differs
        if name == "red_success":
            differs &= recorded[name] != 2  # unknown: red slept
        if mismatches.first is None and bool(differs.any()):
            mismatches.note("state", name, t, differs & ~wrong)
            wrong |= differs
        wrong |= differs
    mismatches.note("state", "state", t, wrong)


def _truth(tables: Tables, state: State) -> dict[str, torch.Tensor]:
    """Our true state under the trace's names."""

    def per_host(sets: torch.Tensor) -> torch.Tensor:
        return members(sets, tables.hosts).t()

    def packed(rows: torch.Tensor) -> torch.Tensor:
        weights = (2 ** torch.arange(len(rows), dtype=DTYPE, device=rows.device))[None, :, None]
        return (members(rows, tables.hosts) * weights).sum(1, dtype=DTYPE).t()

    privileged, user = per_host(state.privileged), per_host(state.removable | state.unremovable)
    return {
        "true_comp": torch.maximum(2 * privileged, user),
        "malware": per_host(state.malware),
        "decoys": packed(state.decoys),
        "red_scanned": per_host(state.scanned),
        "red_ports": packed(state.known_ports),
        "ot_up": state.service_up.to(DTYPE),
        "red_knows_ot": state.knows_service.to(DTYPE),
        "red_success": state.success.to(DTYPE),
    }
