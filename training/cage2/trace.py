"""Episodes recorded from the official environment, with every random outcome."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.cage2.codes import IMPACT, REDS
from training.cage2.scenario import Scenario, Variant
from training.errors import TraceError

# What happens in a step, (E, T): name -> (lowest, highest); None where the scenario says.
_STEPS: Final[dict[str, tuple[float, float] | None]] = {
    "blue_action": None,
    "blue_success": (0, 2),
    "reward": (-np.inf, 0),
    "red_type": (0, IMPACT),
    "red_target": None,
    "red_success": (0, 2),
    "red_exploit": None,
    "red_detected": (-1, 1),
}
# The situation before each step and after the last, (E, T + 1) or (E, T + 1, hosts).
_SITUATIONS: Final = ("ot_up", "red_knows_ot")
_HOSTS: Final = (
    *("true_comp", "sess_removable", "sess_unremovable", "malware", "decoys"),
    *("red_scanned", "red_ports"),
)


@dataclass(frozen=True)
class Trace:
    """Recorded episodes of one variant and one red agent.

    ``arrays``: ``(E, T)`` for what happens in a step and ``(E, T + 1, …)`` for situations.
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


def read(
    path: Path, scenario: Scenario, variant: Variant | None = None, red: str | None = None
) -> Trace:
    """Read a trace and make sure that it can be replayed.

    Args:
        path: an ``.npz``, usually called ``VARIANT_RED_POLICY.npz``.
        scenario: the network that it was recorded on.
        variant: whose rules hold, where the name does not say it.
        red: the red agent, where the name does not say it.

    Raises:
        TraceError: the file is no trace, or not one of this scenario.
    """
    if path.exists() and not zipfile.is_zipfile(path):
        raise TraceError(f"{path}: no .npz file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise TraceError(f"{path}: cannot be read ({error})") from error
    _check(path, arrays, scenario)
    return Trace(path, variant or _variant(path), red or _red(path), arrays)


def _variant(path: Path) -> Variant:
    for variant in Variant:
        if path.name.startswith(f"{variant}_"):
            return variant
    raise TraceError(f"{path}: the name does not begin with a variant; say --variant head or lb")


def _red(path: Path) -> str:
    for name in REDS:
        if f"_{name}_" in path.name:
            return name
    raise TraceError(f"{path}: the name holds no red agent; say --red {', '.join(REDS)}")


def _check(path: Path, arrays: dict[str, NDArray[Any]], scenario: Scenario) -> None:
    if missing := [n for n in ("obs", *_STEPS, *_SITUATIONS, *_HOSTS) if n not in arrays]:
        raise TraceError(f"{path}: the trace lacks {', '.join(missing)}")
    steps = arrays["blue_action"].shape
    if len(steps) != 2 or 0 in steps:
        raise TraceError(f"{path}: blue_action has shape {steps}, not (episodes, steps)")
    after = (steps[0], steps[1] + 1)
    shapes = (
        dict.fromkeys(_STEPS, steps)
        | dict.fromkeys(_SITUATIONS, after)
        | dict.fromkeys(_HOSTS, (*after, len(scenario.hosts)))
        | {"obs": (*after, scenario.num_features)}
    )
    highest = {
        "blue_action": (0, scenario.num_actions - 1),
        "red_target": (-1, len(scenario.hosts) - 1),
        "red_exploit": (-1, len(scenario.catalogue.exploits) - 1),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            found = arrays[name].shape
            raise TraceError(f"{path}: {name} has shape {found}; {scenario.name} needs {shape}")
        low, high = highest.get(name) or _STEPS.get(name) or (-np.inf, np.inf)
        if not ((arrays[name] >= low) & (arrays[name] <= high)).all():
            raise TraceError(f"{path}: {name} has values that are not in [{low}, {high}]")
