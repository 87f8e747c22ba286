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
from training.cage2.codes import EXPLOIT, REDS
from training.cage2.scenario import Scenario, Variant
from training.cage2.state import Outcome, RedAction, State, initial
from training.cage2.tables import Tables, compile_tables
from training.errors import TraceError

# Also the keys of the result: what is compared at every step.
KINDS: Final = ("observation", "reward", "state", "red_action")
_REWARD_TOLERANCE: Final = 1e-4
_INPUTS: Final = ("blue_action", "red_type", "red_target", "red_exploit", "red_detected")
_STEPS: Final = ("reward", "red_success", "blue_success")
_SITUATIONS: Final = (
    "obs",
    *("true_comp", "sess_removable", "sess_unremovable", "malware", "decoys"),
    *("red_scanned", "red_ports", "ot_up", "red_knows_ot"),
)


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
    if missing := [name for name in (*_INPUTS, *_STEPS, *_SITUATIONS) if name not in arrays]:
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
        raise TraceError(f"{trace.path}: not of a network with the {tables.hosts} hosts replayed")
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
        mismatches.note("red_action", "red's action", t, ~possible)
        action = arrays["blue_action"][:, t].to(DTYPE)
        state, outcome = dynamics.apply(tables, state, action, attack)
        obs = monitor.observe(tables, state.view)
        mismatches.note("observation", "obs", t, (obs != arrays["obs"][:, t + 1]).any(1))
        gap = (outcome.reward - arrays["reward"][:, t]).abs()
        mismatches.note("reward", "reward", t, gap > _REWARD_TOLERANCE)
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
    mismatches.note("state", "the true state", t, wrong)


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
