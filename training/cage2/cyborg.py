"""The official environment behind our own interface, from a checkout of CybORG 2.1.

Nothing of it is shipped, and nothing else in the project needs it: it is there to check policies
against. Its networks are Python objects, so a batch is a Python loop, some 500 steps a second.
"""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from training.cage2 import blue
from training.cage2.base import MIXTURE, Cage2Base
from training.cage2.bits import DTYPE
from training.cage2.codes import SLEEP_RED
from training.cage2.scenario import Variant, load
from training.cage2.state import State, initial
from training.env import Info
from training.errors import CyborgMissing

PACKAGE: Final = "CybORG"
URL: Final = "https://github.com/cage-challenge/cage-challenge-2"
NEEDS: Final = "gym networkx numpy paramiko prettytable pyyaml"  # to import and play
AGENTS: Final = {"B_line": "B_lineAgent", "Meander": "RedMeanderAgent", "Sleep": "SleepAgent"}
_SEEDS: Final = 2**32  # numpy takes no greater one


@dataclass(frozen=True)
class Code:
    """What is needed of the official code."""

    environment: Any  # class CybORG
    wrapper: Any  # class ChallengeWrapper
    agents: dict[str, Any]  # classes by our names of the red agents
    scenario: Path

    def make(self, red: str) -> Any:
        """A new official environment, as its own evaluation script makes it."""
        agents = {"Red": self.agents[red]}
        inner = self.environment(str(self.scenario), "sim", agents=agents)
        return self.wrapper(env=inner, agent_name="Blue")


class Dice:
    """The global random states of Python and numpy as one environment leaves them.

    The official code draws from Python's.
    """

    def __init__(self) -> None:
        self._own = _global_states()

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Inside, this environment's states hold; outside, the caller's, untouched."""
        caller = _global_states()
        _set_global_states(self._own)
        try:
            yield
        finally:
            self._own = _global_states()
            _set_global_states(caller)


class Slot:
    """One place in the batch: an official environment for each red agent that it has met.

    Args:
        code: the official code.
    """

    def __init__(self, code: Code) -> None:
        self._code = code
        self._dice = Dice()
        self._made: dict[str, Any] = {}
        self._env: Any = None

    def reset(self, red: str, seed: int) -> list[float]:
        """Begin the episode that ``random.seed(seed)`` just before a reset gives: 52 numbers."""
        with self._dice.in_force():
            if red not in self._made:
                self._made[red] = self._code.make(red)
            self._env = self._made[red]
            random.seed(seed)
            np.random.seed(seed)
            return [float(bit) for bit in self._env.reset()]

    def step(self, action: int) -> tuple[list[float], float]:
        """The 52 numbers after an action, and the reward."""
        with self._dice.in_force():
            obs, reward, _, _ = self._env.step(action)
        return [float(bit) for bit in obs], float(reward)


class Cyborg(Cage2Base):
    """A batch of official CAGE-2 environments, stepped one after another in this process.

    Which variant's rules hold depends on the checkout. ``info`` holds ``episode_seed`` ``(B,)``
    int64: the number that ``random.seed`` got before the reset of the episode that the step belongs
    to. What :meth:`describe` says of decoys follows from blue's own actions, by our simulator's
    rules of placing: the official environment does not show it.

    Args:
        checkout: the repository, its folder ``CybORG``, or the package in that.
        num_envs: environments in the batch, ``B``.
        generator: draws every episode's red agent and its seed; the official code's own chance,
            Python's global generator, is seeded from it and put back after every call.
        red: names of red agents, as in :class:`training.cage2.env.Cage2`.
        horizon: steps of an episode, after which it is truncated.

    Raises:
        CyborgMissing: no CybORG 2.1 there, or it cannot be imported.
        ScenarioError: no such red agent, no environment, or episodes without a step.
    """

    def __init__(
        self,
        checkout: Path,
        num_envs: int,
        generator: torch.Generator,
        *,
        red: Sequence[str] = MIXTURE,
        horizon: int = 100,
    ) -> None:
        # The official variants' decoys fit the same places, whichever the checkout's is.
        super().__init__(num_envs, generator, red, horizon, load("official"), Variant.HEAD)
        code = read_checkout(checkout)
        self._checkout = checkout
        self._slots = [Slot(code) for _ in range(num_envs)]
        self._known: State  # only what blue did is kept up in it
        self._seeds: torch.Tensor
        self._bits: torch.Tensor
        self._new_episodes()

    def _begin(self, red: torch.Tensor) -> torch.Tensor:
        self._seeds = torch.randint(
            _SEEDS, (self.num_envs,), generator=self.generator, device=self.device
        )
        asleep = torch.full((self.num_envs,), SLEEP_RED, dtype=DTYPE, device=self.device)
        self._known = initial(self.tables, asleep)
        starts = zip(self._slots, red.tolist(), self._seeds.tolist(), strict=True)
        return self._observed([slot.reset(self.red[kind], seed) for slot, kind, seed in starts])

    def _advance(self, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, Info]:
        self._known, _ = blue.act(self.tables, self._known, blue.parse(self.tables, action))
        slots = zip(self._slots, action.tolist(), strict=True)
        rows, rewards = zip(*(slot.step(index) for slot, index in slots), strict=True)
        reward = torch.tensor(rewards, device=self.device)
        return self._observed(rows), reward, {"episode_seed": self._seeds}

    def _seen(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._bits[index].view(self.tables.hosts, -1), self._known.decoys[:, index]

    def _observed(self, rows: Sequence[list[float]]) -> torch.Tensor:
        if any(len(row) != self.num_features for row in rows):
            raise CyborgMissing(
                f"{self._checkout}: its observations have {len(rows[0])} numbers, not"
                f" {self.num_features}, so it is not CybORG 2.1; {_get_it()}"
            )
        self._bits = torch.tensor(rows, device=self.device)
        return self._bits.clone()


def read_checkout(checkout: Path) -> Code:
    """Import the official code.

    Args:
        checkout: the repository, its folder ``CybORG``, or the package in that.

    Raises:
        CyborgMissing: none there, another one is imported already, or it cannot be imported.
    """
    folder = _folder(checkout)
    try:
        with _importable(folder), Dice().in_force():
            environment = import_module(PACKAGE).CybORG
            agents = import_module(f"{PACKAGE}.Agents")
            wrapper = import_module(f"{PACKAGE}.Agents.Wrappers").ChallengeWrapper
            reds = {name: getattr(agents, kind) for name, kind in AGENTS.items()}
            package = Path(inspect.getfile(environment)).resolve().parent
    except Exception as error:  # whatever somebody else's code may do while it is imported
        raise CyborgMissing(f"{checkout}: {_why(error)}") from error
    if package != (folder / PACKAGE).resolve():
        raise CyborgMissing(
            f"{checkout}: another CybORG, {package}, is imported already; one process holds one"
        )
    scenario = package / "Shared" / "Scenarios" / "Scenario2.yaml"
    if not scenario.is_file():
        raise CyborgMissing(f"{checkout}: has no {scenario.name}; {_get_it()}")
    return Code(environment, wrapper, reds, scenario)


def _folder(checkout: Path) -> Path:
    """The folder that holds the package."""
    root = checkout.resolve()
    for folder in (root / PACKAGE, root, root.parent):
        package = folder / PACKAGE
        # The parent counts only for the package itself, not for its neighbours.
        if (package / "__init__.py").is_file() and (folder != root.parent or package == root):
            return folder
    raise CyborgMissing(f"{checkout}: no CybORG there; {_get_it()}")


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Only while importing: the package finds its own modules, and no others should be found."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _why(error: Exception) -> str:
    """Why the code does not import, and what to do."""
    if isinstance(error, ModuleNotFoundError) and not (error.name or PACKAGE).startswith(PACKAGE):
        return f"CybORG needs the module {error.name}, not installed here; pip install {NEEDS}"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"CybORG does not import ({what}); {_get_it()}"


def _get_it() -> str:
    return f"git clone {URL} and pass its path; it needs {', '.join(NEEDS.split())}"


def _global_states() -> tuple[Any, Any]:
    return random.getstate(), np.random.get_state()


def _set_global_states(states: tuple[Any, Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])
