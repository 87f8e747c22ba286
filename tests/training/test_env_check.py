"""The checker passes a playground that keeps the contract, and names the clause that one breaks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.training.toy_env import LEFT, ToyEnv
from training.env import Transition
from training.env_check import check_env
from training.errors import EnvContractError
from training.teacher.teacher import StateText

Make = Callable[[torch.Generator], Any]


def with_step(change: Callable[..., tuple[Any, ...]]) -> Make:
    """A toy whose transitions are changed on the way out."""

    class Changed(ToyEnv):
        def step(self, action: torch.Tensor) -> Any:
            return change(*super().step(action))

    return Changed


def with_info(**wrong: Callable[[torch.Tensor], Any]) -> Make:
    """A toy with some of an info's tensors changed."""

    def change(*out: Any) -> tuple[Any, ...]:
        info = out[4]
        return *out[:4], info | {key: fault(info["final_obs"]) for key, fault in wrong.items()}

    return with_step(change)


def with_method(name: str, method: Callable[..., Any]) -> Make:
    """A toy with a method of its own."""
    return type("Changed", (ToyEnv,), {name: method})


def with_attribute(**values: object) -> Make:
    def make(generator: torch.Generator) -> ToyEnv:
        env = ToyEnv(generator)
        for name, value in values.items():
            setattr(env, name, value)
        return env

    return make


def with_state(**fields: object) -> Make:
    """A toy that describes its states wrongly."""
    return with_method("describe", lambda env, i: replace(ToyEnv.describe(env, i), **fields))


class GlobalChance(ToyEnv):
    """Slips by torch's global generator."""

    def step(self, action: torch.Tensor) -> Transition:
        return super().step(torch.where(torch.rand(self.num_envs) < 0.5, action, 1 - LEFT))


class HiddenGlobalChance(ToyEnv):
    """As above, but puts the global generator back, so that only its seed tells."""

    def reset(self, seed: int | None = None) -> torch.Tensor:
        obs = super().reset(seed)
        with torch.random.fork_rng(devices=[]):
            obs[:, -1] = torch.rand(1)
        return obs


class PythonChance(ToyEnv):
    """Slips by Python's global generator."""

    def step(self, action: torch.Tensor) -> Transition:
        return super().step(torch.full_like(action, random.randrange(2)))


class OwnGenerator(ToyEnv):
    """Has a second generator, which a seed restarts too."""

    def __init__(self, generator: torch.Generator) -> None:
        self.second = torch.Generator().manual_seed(7)
        super().__init__(generator)

    def reset(self, seed: int | None = None) -> torch.Tensor:
        if seed is not None:
            self.second.manual_seed(seed)
        return super().reset(seed)

    def starts(self) -> torch.Tensor:
        return torch.randint(1, 4, (self.num_envs,), generator=self.second)


class Tired(ToyEnv):
    """The reward falls with every reset that the environment has seen."""

    resets = 0

    def reset(self, seed: int | None = None) -> torch.Tensor:
        self.resets += 1
        return super().reset(seed)

    def step(self, action: torch.Tensor) -> Transition:
        obs, reward, *rest = super().step(action)
        return obs, reward - self.resets, *rest


class Siblings(ToyEnv):
    """Each is made a little different from the one before."""

    made = 0

    def __init__(self, generator: torch.Generator) -> None:
        Siblings.made += 1
        super().__init__(generator, limit=5 + Siblings.made % 2)


class OneBuffer(ToyEnv):
    """Writes every observation into the same tensor."""

    def step(self, action: torch.Tensor) -> Transition:
        obs, *rest = super().step(action)
        if not hasattr(self, "buffer"):
            self.buffer = torch.empty_like(obs)
        return self.buffer.copy_(obs), *rest


class Restarts(ToyEnv):
    """Begins with the same chance at every reset without a seed."""

    def reset(self, seed: int | None = None) -> torch.Tensor:
        return super().reset(3 if seed is None else seed)


def endless(
    obs: torch.Tensor, reward: torch.Tensor, terminated: torch.Tensor, *rest: Any
) -> tuple[Any, ...]:
    """Says that the episode ended, and goes on with it."""
    truncated, info = rest
    return obs, reward, terminated, truncated | (info["time"] == 3), info


def spoil(env: ToyEnv, action: torch.Tensor) -> Transition:
    out = ToyEnv.step(env, action)
    action.zero_()
    return out


def empty_row(env: ToyEnv) -> torch.Tensor:
    mask = ToyEnv.action_mask(env)
    mask[-1] &= env.time[-1] != 2
    return mask


def first_row(env: ToyEnv, action: torch.Tensor) -> Transition:
    """Looks for actions out of range in the first environment only."""
    return ToyEnv.step(env, torch.cat([action[:1], action[1:].clamp(0, 2)]))


def any_index(env: ToyEnv, index: int) -> StateText:
    return ToyEnv.describe(env, index % env.num_envs)


def index_error(env: ToyEnv, action: torch.Tensor) -> Transition:
    if bool((action > 2).any()):
        raise IndexError
    return ToyEnv.step(env, action)


def odd_key(*out: Any) -> tuple[Any, ...]:
    return *out[:4], out[4] | {f"key {random.random()}": out[1]}


def seedless(env: ToyEnv, seed: int | None = None) -> torch.Tensor:
    return ToyEnv.reset(env)


FAULTS: dict[str, tuple[Make, str]] = {
    "no size": (with_attribute(num_envs=0), "attributes: num_envs must be a positive int, not 0"),
    "size no int": (with_attribute(num_actions=3.0), "attributes: num_actions"),
    "no generator": (with_attribute(generator=3), "attributes: generator must be"),
    "reset double": (
        with_method("reset", lambda env, seed=None: ToyEnv.reset(env, seed).double()),
        "observation: of reset must be torch.float32, not torch.float64",
    ),
    "reset shape": (
        with_method("reset", lambda env, seed=None: ToyEnv.reset(env, seed)[:, 1:]),
        r"observation: of reset must have shape \(4, 6\), not \(4, 5\)",
    ),
    "reset nan": (
        with_method("reset", lambda env, seed=None: ToyEnv.reset(env, seed) + math.nan),
        "observation: of reset must be finite",
    ),
    "reset numpy": (
        with_method("reset", lambda env, seed=None: ToyEnv.reset(env, seed).numpy()),
        "observation: of reset must be a tensor, not ndarray",
    ),
    "reset elsewhere": (
        with_method("reset", lambda env, seed=None: ToyEnv.reset(env, seed).to("meta")),
        "observation: of reset must be on cpu, not meta",
    ),
    "step shape": (with_step(lambda o, *rest: (o[:2], *rest)), "observation: of step .* shape"),
    "four things": (with_step(lambda o, r, d, t, i: (o, r, d | t, i)), "step: must return a tuple"),
    "no tuple": (with_step(lambda *out: list(out)), "step: must return a tuple"),
    "reward double": (
        with_step(lambda o, r, *rest: (o, r.double(), *rest)),
        "step: reward .*float64",
    ),
    "reward column": (
        with_step(lambda o, r, *rest: (o, r[:, None], *rest)),
        r"step: reward .*\(4, 1\)",
    ),
    "reward inf": (with_step(lambda o, r, *rest: (o, r / 0, *rest)), "step: reward .*finite"),
    "terminated float": (
        with_step(lambda o, r, d, *rest: (o, r, d.float(), *rest)),
        "step: terminated .*bool",
    ),
    "truncated none": (
        with_step(lambda o, r, d, t, i: (o, r, d, None, i)),
        "step: truncated must be a tensor",
    ),
    "info none": (with_step(lambda *out: (*out[:4], None)), "info: must be a dict"),
    "no final_obs": (with_step(lambda *out: (*out[:4], {})), "info: final_obs is missing"),
    "final_obs double": (with_info(final_obs=torch.Tensor.double), "info: final_obs .*float64"),
    "final_obs other": (
        with_info(final_obs=lambda obs: obs + 1),
        "info: final_obs is not the observation where",
    ),
    "info axis": (
        with_info(extra=lambda obs: obs[0]),
        r"info: extra must have 4 on its first axis",
    ),
    "info scalar": (with_info(extra=torch.Tensor.sum), r"info: extra .*not shape \(\)"),
    "info float": (with_info(extra=lambda obs: 1.0), "info: extra must be a tensor, not float"),
    "mask int": (
        with_method("action_mask", lambda env: ToyEnv.action_mask(env).int()),
        "mask: .*torch.bool",
    ),
    "mask shape": (
        with_method("action_mask", lambda env: ToyEnv.action_mask(env)[0]),
        "mask: .*shape",
    ),
    "mask empty": (
        with_method("action_mask", empty_row),
        "mask: no action is allowed in environment 3",
    ),
    "endless": (with_step(endless), "new episode: every reset gives 0 for feature 5"),
    "final as first": (
        with_step(lambda o, *rest: (rest[-1]["final_obs"], *rest)),
        "new episode: every reset",
    ),
    "spoils action": (with_method("step", spoil), "caller's action: "),
    "one buffer": (OneBuffer, "reuse: observation changed"),
    "global chance": (GlobalChance, "generator: torch's global generator moved"),
    "hidden global chance": (HiddenGlobalChance, "generator: the same play under another seed"),
    "Python's chance": (PythonChance, "determinism: "),
    "own generator": (OwnGenerator, "generator: two plays after reset"),
    "siblings": (Siblings, "determinism: two environments made alike"),
    "odd key": (with_step(odd_key), "determinism: .* differ in info's keys at step 1"),
    "seed ignored": (with_method("reset", seedless), "seed: two new environments after reset"),
    "restarts": (Restarts, "seed: reset.. without a seed restarts the generator"),
    "tired": (Tired, "hidden state: .*differ in reward at step 1"),
    "no state": (with_method("describe", lambda env, i: "words"), "describe: .*StateText, not str"),
    "few labels": (with_state(actions=("left",)), "describe: .*label 3 actions, not 1"),
    "no words": (with_state(lines=()), "describe: .*lines"),
    "empty words": (with_state(lines=("well", " ")), "describe: .*lines"),
    "odd fact": (with_state(facts={"risk": math.inf}), "describe: .*not finite: risk"),
    "any index": (with_method("describe", any_index), r"describe: describe\(4\) must raise Index"),
    "any action": (
        with_method("step", lambda env, action: ToyEnv.step(env, action.clamp(0, 2))),
        r"action range: step\(-1\) must raise ValueError or SluiceError, and raises nothing",
    ),
    "first action": (with_method("step", first_row), r"action range: step\(-1\)"),
    "index error": (with_method("step", index_error), r"action range: step\(3\).* not IndexError"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_its_clause_named(name: str) -> None:
    make, message = FAULTS[name]
    with pytest.raises(EnvContractError, match=f"^{message}"):
        check_env(make, steps=24)


@pytest.mark.parametrize("num_envs", [1, 4])
@pytest.mark.parametrize("random_start", [True, False])
def test_the_toy_keeps_the_contract(num_envs: int, random_start: bool) -> None:
    check_env(lambda generator: ToyEnv(generator, num_envs, random_start=random_start), seed=5)


def test_a_playground_without_chance_keeps_the_contract() -> None:
    check_env(lambda generator: ToyEnv(generator, slip=0.0, random_start=False))


def test_a_nan_in_an_info_equals_itself() -> None:
    check_env(with_info(extra=lambda obs: obs * math.nan), steps=8)


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    check_env(ToyEnv, steps=8)
    assert torch.equal(torch.rand(3), expected)


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="steps must be at least 1"):
        check_env(ToyEnv, steps=0)
