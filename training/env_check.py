"""Does a playground keep the ``VectorEnv`` contract? Play it, and find out clause by clause.

Every message begins with the clause that is broken: ``attributes``, ``observation``, ``step``,
``info``, ``mask``, ``new episode``, ``caller's action``, ``reuse``, ``generator``,
``determinism``, ``seed``, ``hidden state``, ``describe`` or ``action range``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias

import torch

from agent.errors import SluiceError
from training.env import VectorEnv
from training.errors import EnvContractError
from training.teacher.teacher import StateText

Make: TypeAlias = Callable[[torch.Generator], VectorEnv]
Frame: TypeAlias = dict[str, torch.Tensor]  # what one reset or step gave, by name
Trace: TypeAlias = list[Frame]
Play: TypeAlias = Callable[..., Trace]

STEP: Final = ("observation", "reward", "terminated", "truncated", "info")
FINAL: Final = "info['final_obs']"


def check_env(
    make: Make, *, steps: int = 64, seed: int = 0, device: str | torch.device = "cpu"
) -> None:
    """Play a playground in every way that could show a broken clause.

    Args:
        make: builds the playground on a generator and its device; called about ten times.
        steps: how long each of about ten plays lasts. What happens where an episode ends is only
            seen if some end in so many steps.
        seed: of the playground's generator and of the checker's own choice of actions.
        device: where the playground lives. Actions out of range are tried on a CPU only, as
            looking for them would make a faster device wait.

    Raises:
        EnvContractError: a clause is broken; says which, and what was seen.
        ValueError: there are no steps to take.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    place = torch.Generator(device).device

    def fresh() -> VectorEnv:
        return make(torch.Generator(place).manual_seed(seed))

    def play(env: VectorEnv, reset_seed: int | None = None) -> Trace:
        return Player(env, seed).play(steps, reset_seed)

    env = fresh()
    check_attributes(env, place)
    plain = play(env)
    agree(plain, play(fresh()), "determinism", "two environments made alike and played alike")
    seeded = check_seed(env, fresh, play, seed)
    check_global_chance(fresh, play, seeded, seed)
    check_generator(env, play, seed)
    check_new_episodes(env, plain + seeded)
    check_describe(env)
    if place.type == "cpu":
        check_range(fresh)


class Player:
    """Plays one environment and checks the form of everything that it gives.

    Args:
        env: the environment.
        seed: of the actions, which are drawn evenly among the allowed ones.
    """

    def __init__(self, env: VectorEnv, seed: int) -> None:
        self.env = env
        self.device = env.generator.device
        self.features = (env.num_features,)
        self.dice = torch.Generator().manual_seed(seed)

    def play(self, steps: int, seed: int | None) -> Trace:
        """Reset, with a seed or without, and act: copies of what was given, first the reset's.

        Raises:
            EnvContractError: ``observation``, ``step``, ``info``, ``mask``, ``caller's action``,
                ``reuse`` or ``generator``.
        """
        before = global_chance(self.device)
        given = [self.reset(seed)]
        trace = [copied(given[0])]
        for _ in range(steps):
            given.append(self.step(trace[-1]["mask"]))
            trace.append(copied(given[-1]))
        if global_chance(self.device) != before:
            fail("generator", "torch's global generator moved; draw from env.generator only")
        for frame, kept in zip(given, trace, strict=True):
            changed = [name for name in kept if not identical(frame[name], kept[name])]
            if changed:
                fail("reuse", f"{changed[0]} changed after it was given; give a new tensor")
        return trace

    def reset(self, seed: int | None) -> Frame:
        """The frame of a reset."""
        obs = self.env.reset(seed)
        self.check("observation", "of reset", obs, torch.float32, self.features)
        return {"observation": obs, "mask": self.mask()}

    def step(self, mask: torch.Tensor) -> Frame:
        """The frame of one step, with actions that the mask allows."""
        action = torch.multinomial(mask.float().cpu(), 1, generator=self.dice)[:, 0]
        action = action.to(self.device)
        before = action.clone()
        obs, reward, terminated, truncated, info = parts(self.env.step(action))
        if not torch.equal(action, before):
            fail("caller's action", "step changed the tensor it was given; work on a copy")
        self.check("observation", "of step", obs, torch.float32, self.features)
        self.check("step", "reward", reward, torch.float32, ())
        self.check("step", "terminated", terminated, torch.bool, ())
        self.check("step", "truncated", truncated, torch.bool, ())
        frame = dict(zip(STEP, (obs, reward, terminated, truncated), strict=False))
        frame |= self.info(info)
        if bool(((obs != frame[FINAL]).any(1) & ~ended(frame)).any()):
            fail("info", "final_obs is not the observation where no episode ended")
        return frame | {"mask": self.mask()}

    def info(self, info: object) -> Frame:
        """The tensors of an info, by the names that messages give them."""
        if not isinstance(info, dict):
            fail("info", f"must be a dict of tensors, not {type(info).__name__}")
        if "final_obs" not in info:
            fail("info", "final_obs is missing")
        self.check("info", "final_obs", info["final_obs"], torch.float32, self.features)
        for key, value in info.items():
            self.check("info", str(key), value)
        return {f"info[{key!r}]": value for key, value in info.items()}

    def mask(self) -> torch.Tensor:
        """The mask of the actions allowed now."""
        mask = self.env.action_mask()
        self.check("mask", "of actions", mask, torch.bool, (self.env.num_actions,))
        empty = ~mask.any(1)
        if bool(empty.any()):
            fail("mask", f"no action is allowed in environment {int(empty.int().argmax())}")
        return mask

    def check(
        self,
        clause: str,
        name: str,
        value: object,
        dtype: torch.dtype | None = None,
        row: tuple[int, ...] | None = None,
    ) -> None:
        """One tensor's place and first axis and, where the contract says more, the rest of it."""
        if not isinstance(value, torch.Tensor):
            fail(clause, f"{name} must be a tensor, not {type(value).__name__}")
        batch, shape = self.env.num_envs, tuple(value.shape)
        if row is None and shape[:1] != (batch,):
            fail(clause, f"{name} must have {batch} on its first axis, not shape {shape}")
        if row is not None and shape != (batch, *row):
            fail(clause, f"{name} must have shape {(batch, *row)}, not {shape}")
        if dtype not in {None, value.dtype}:
            fail(clause, f"{name} must be {dtype}, not {value.dtype}")
        if not same_device(value.device, self.device):
            fail(clause, f"{name} must be on {self.device}, not {value.device}")
        if dtype is not None and not bool(value.isfinite().all()):
            fail(clause, f"{name} must be finite")


def check_attributes(env: VectorEnv, device: torch.device) -> None:
    """The sizes are positive integers, and the generator is on the device."""
    for name in ("num_envs", "num_features", "num_actions"):
        value = getattr(env, name, None)
        if type(value) is not int or value < 1:
            fail("attributes", f"{name} must be a positive int, not {value!r}")
    generator = getattr(env, "generator", None)
    if not isinstance(generator, torch.Generator) or not same_device(generator.device, device):
        fail("attributes", f"generator must be a torch.Generator on {device}, not {generator!r}")


def check_seed(env: VectorEnv, fresh: Callable[[], VectorEnv], play: Play, seed: int) -> Trace:
    """``reset(seed)`` replays the same episodes, whatever the environment did before."""
    moved = fresh()
    moved.generator.manual_seed(seed + 1)
    seeded = play(moved, seed)
    told = "two new environments after reset(seed), one's generator moved before,"
    agree(seeded, play(fresh(), seed), "seed", told)
    told = "a new environment and one played before, both after reset(seed),"
    for used in (env, moved):
        agree(seeded, play(used, seed), "hidden state", told)
    return seeded


def check_global_chance(
    fresh: Callable[[], VectorEnv], play: Play, seeded: Trace, seed: int
) -> None:
    """Seeding torch's global generators changes nothing; they are put back afterwards."""
    device = fresh().generator.device
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        # Two seeds, as the caller may have used either of them.
        for other in (seed + 1, seed + 2):
            torch.default_generator.manual_seed(other)
            if cuda:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(other)
            told = "the same play under another seed of torch's global generator"
            agree(seeded, play(fresh(), seed), "generator", told)


def check_generator(env: VectorEnv, play: Play, seed: int) -> None:
    """``env.generator`` is the only chance there is, and a plain ``reset()`` continues it."""
    env.generator.manual_seed(seed + 1)
    once = play(env)
    env.generator.manual_seed(seed + 1)
    told = "two plays after reset(), from the same state of env.generator,"
    agree(once, play(env), "generator", told)
    states = []
    for start in (seed + 1, seed + 2):
        env.generator.manual_seed(start)
        env.reset()
        states.append(env.generator.get_state())
    if torch.equal(*states):
        fail("seed", "reset() without a seed restarts the generator; continue it instead")


def check_new_episodes(env: VectorEnv, frames: Sequence[Frame]) -> None:
    """Where an episode ended, the observation could be a reset's.

    What every first observation has in common, those after an ended episode must have too. As many
    resets are seen as there were steps, so that what they share is no accident.
    """
    begun = [frame["observation"][ended(frame)] for frame in frames if "terminated" in frame]
    starts = torch.cat([env.reset() for _ in frames])
    wrong = (torch.cat(begun) != starts[0]) & (starts == starts[0]).all(0)
    if bool(wrong.any()):
        feature = int(wrong.any(0).int().argmax())
        what = f"every reset gives {float(starts[0, feature]):g} for feature {feature}, but the"
        fail("new episode", f"{what} observation after an ended episode does not; begin a new one")


def check_describe(env: VectorEnv) -> None:
    """The states in words fit the playground, and stop where the batch does."""
    for index in sorted({0, env.num_envs - 1}):
        check_state(env.describe(index), env.num_actions, f"describe({index})")
    beyond = partial(env.describe, env.num_envs)
    refuses(beyond, (IndexError,), "describe", f"describe({env.num_envs})")


def check_state(state: object, actions: int, name: str) -> None:
    """One state in words."""
    if not isinstance(state, StateText):
        fail("describe", f"{name} must be a StateText, not {type(state).__name__}")
    if len(state.actions) != actions:
        fail("describe", f"{name} must label {actions} actions, not {len(state.actions)}")
    if not state.lines or not all(line.strip() for line in state.lines):
        fail("describe", f"{name} must have lines, and words in each")
    odd = [key for key, value in state.facts.items() if not math.isfinite(value)]
    if odd:
        fail("describe", f"{name} has a fact that is not finite: {odd[0]}")


def check_range(fresh: Callable[[], VectorEnv]) -> None:
    """Actions that do not exist are refused, in the last environment too."""
    for bad in (-1, fresh().num_actions):
        env = fresh()
        env.reset()
        action = env.action_mask().int().argmax(1)
        action[-1] = bad
        refuses(
            partial(env.step, action), (ValueError, SluiceError), "action range", f"step({bad})"
        )


def refuses(
    act: Callable[[], object], errors: tuple[type[Exception], ...], clause: str, what: str
) -> None:
    """The call raises one of the errors."""
    wanted = f"{what} must raise {' or '.join(error.__name__ for error in errors)}"
    try:
        act()
    except errors:
        return
    except Exception as error:
        raise EnvContractError(f"{clause}: {wanted}, not {type(error).__name__}") from error
    fail(clause, f"{wanted}, and raises nothing")


def agree(one: Trace, other: Trace, clause: str, what: str) -> None:
    """Two plays are bit for bit the same."""
    for step, (left, right) in enumerate(zip(one, other, strict=True)):
        if left.keys() != right.keys():
            fail(clause, f"{what} differ in info's keys at step {step}")
        for name in left:
            if not identical(left[name], right[name]):
                fail(clause, f"{what} differ in {name} at step {step}")


def identical(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Bit for bit, so that a NaN in an info equals itself."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    left, right = (tensor.flatten().view(torch.uint8) for tensor in (one, other))
    return torch.equal(left, right)


def parts(given: object) -> tuple[Any, ...]:
    """What a step gave, if it is as many things as it should be."""
    if not isinstance(given, tuple) or len(given) != len(STEP):
        fail("step", f"must return a tuple: {', '.join(STEP)}")
    return given


def ended(frame: Frame) -> torch.Tensor:
    """Where a step ended an episode, ``(B,)`` bool."""
    return frame["terminated"] | frame["truncated"]


def copied(frame: Frame) -> Frame:
    """The frame as it is now."""
    return {name: tensor.clone() for name, tensor in frame.items()}


def same_device(one: torch.device, other: torch.device) -> bool:
    """Whether two names mean one device: ``cuda`` is ``cuda:0``."""
    return one.type == other.type and (one.index or 0) == (other.index or 0)


def global_chance(device: torch.device) -> bytes:
    """The state of torch's global generators, on the host and on the device."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return b"".join(state.numpy().tobytes() for state in states)


def fail(clause: str, found: str) -> NoReturn:
    """Report a broken clause."""
    raise EnvContractError(f"{clause}: {found}")
