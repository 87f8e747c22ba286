"""Our playgrounds as Gymnasium environments, for libraries that know no other kind.

``GymnasiumEnv`` is a whole batch, ``SingleEnv`` a batch of one without the auto-reset. Only this
module needs Gymnasium, which the lab itself does without.

Both put ``action_mask`` in their infos, int8 as ``Discrete.sample`` wants it: the rules' masks for
the observations returned.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import gymnasium
import numpy as np
import torch
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from training.env import Info, Transition, VectorEnv

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float32]
Bools: TypeAlias = NDArray[np.bool_]
Infos: TypeAlias = dict[str, Any]
Bound: TypeAlias = float | Floats
VectorBase: TypeAlias = gymnasium.vector.VectorEnv[Floats, Array, Array]
SingleBase: TypeAlias = gymnasium.Env[Floats, Any]


class GymnasiumEnv(VectorBase):
    """A playground as a ``gymnasium.vector.VectorEnv`` that resets in the step that ends.

    Infos follow ``SyncVectorEnv``: a key comes with its mask ``_key``, is zero where the mask is
    false, and is left out where it is false everywhere. Where an episode ended, what the step said
    is under ``final_obs`` and ``final_info``; ``action_mask`` is then the new episode's.

    Args:
        playground: what to wrap; shared, not copied.
        low: least value of every feature, or of each, ``(F,)``.
        high: greatest value of every feature, or of each, ``(F,)``.
        dense_final_obs: give ``final_obs`` as float32 ``(B, F)``, zero where no episode ended,
            instead of as ``SyncVectorEnv`` does: objects ``(B,)``, rows ``(F,)`` or ``None``,
            which wrappers such as ``NumpyToTorch`` cannot convert.
    """

    # Declared as Gymnasium's own base class declares it.
    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        playground: VectorEnv,
        *,
        low: Bound = 0.0,
        high: Bound = 1.0,
        dense_final_obs: bool = False,
    ) -> None:
        self.playground = playground
        self.dense_final_obs = dense_final_obs
        self.num_envs = playground.num_envs
        self.single_observation_space = observations(playground, low, high)
        self.single_action_space = Discrete(playground.num_actions)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, Infos]:
        """Start new episodes everywhere; one seed restarts the whole batch's generator.

        Returns:
            First observations ``(B, F)`` float32, and infos with ``action_mask``.

        Raises:
            ValueError: ``options`` asks for a reset of a part of the batch.
        """
        if "reset_mask" in (options or {}):
            raise ValueError("reset_mask: episodes restart by themselves here; reset all or none")
        super().reset(seed=seed)
        obs = to_numpy(self.playground.reset(seed))
        return obs, self._with_mask({})

    def step(self, actions: Array) -> tuple[Floats, Floats, Bools, Bools, Infos]:
        """Act once in every environment.

        Args:
            actions: ``(B,)`` integers in ``[0, A)``.

        Returns:
            Observations ``(B, F)`` and rewards ``(B,)``, float32; terminated and truncated
            ``(B,)`` bool; and infos.

        Raises:
            ValueError: the actions are not ``(B,)`` integers.
        """
        obs, reward, terminated, truncated, info = act(self.playground, actions)
        ended = to_numpy(terminated | truncated)
        infos = self._with_mask(self._infos(info, ended))
        return to_numpy(obs), to_numpy(reward), to_numpy(terminated), to_numpy(truncated), infos

    def _infos(self, info: Info, ended: Bools) -> Infos:
        """What the step said: on top where the episode goes on, in ``final_info`` elsewhere."""
        final_obs = to_numpy(info["final_obs"])
        values = {key: to_numpy(value) for key, value in info.items() if key != "final_obs"}
        infos = masked(values, ~ended)
        if not ended.any():
            return infos
        final = masked({"final_obs": final_obs}, ended)
        if not self.dense_final_obs:
            final["final_obs"] = rows(final_obs, ended)
        return infos | final | {"final_info": masked(values, ended), "_final_info": ended.copy()}

    def _with_mask(self, infos: Infos) -> Infos:
        mask = action_mask(self.playground)
        return infos | masked({"action_mask": mask}, np.ones(self.num_envs, dtype=np.bool_))


class SingleEnv(SingleBase):
    """A batch of one as an ordinary ``gymnasium.Env``: it stops where the episode ends.

    The step that ends an episode returns that episode's last observation, and no ``action_mask``,
    as no action follows.

    Args:
        playground: what to wrap, of one environment; shared, not copied.
        low: least value of every feature, or of each, ``(F,)``.
        high: greatest value of every feature, or of each, ``(F,)``.

    Raises:
        ValueError: the playground holds more than one environment.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, playground: VectorEnv, *, low: Bound = 0.0, high: Bound = 1.0) -> None:
        if playground.num_envs != 1:
            raise ValueError(f"SingleEnv wraps one environment, not {playground.num_envs}")
        self.playground = playground
        self.observation_space = observations(playground, low, high)
        self.action_space = Discrete(playground.num_actions)
        self._playing = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, Infos]:
        """Start a new episode: its first observation ``(F,)`` float32, and ``action_mask``."""
        super().reset(seed=seed)
        obs = to_numpy(self.playground.reset(seed))[0]
        self._playing = True
        return obs, {"action_mask": action_mask(self.playground)[0]}

    def step(self, action: Any) -> tuple[Floats, float, bool, bool, Infos]:
        """Act once.

        Returns:
            Observation ``(F,)`` float32, reward, terminated, truncated, and info: numbers for
            tensors ``(1,)``, arrays for longer ones.

        Raises:
            ResetNeeded: no episode is being played.
            ValueError: the action is not an integer.
        """
        if not self._playing:
            raise ResetNeeded("no episode is being played: call reset() before step()")
        _, reward, terminated, truncated, info = act(self.playground, [action])
        ended = bool(terminated[0]), bool(truncated[0])
        infos = {key: unbatched(value) for key, value in info.items() if key != "final_obs"}
        self._playing = not any(ended)
        if self._playing:
            infos["action_mask"] = action_mask(self.playground)[0]
        return to_numpy(info["final_obs"])[0], float(reward[0]), *ended, infos


def observations(playground: VectorEnv, low: Bound, high: Bound) -> Box[np.float32]:
    """The space of one environment's observations, ``(F,)`` float32."""
    return Box(low, high, shape=(playground.num_features,), dtype=np.float32)


def act(playground: VectorEnv, actions: ArrayLike) -> Transition:
    """Step a playground with actions from outside.

    Raises:
        ValueError: the actions are not ``(B,)`` integers.
    """
    array = np.asarray(actions)
    # Casting would make an action of a probability, and broadcasting a batch of one action.
    if array.shape != (playground.num_envs,) or not np.issubdtype(array.dtype, np.integer):
        wanted = f"({playground.num_envs},) integers"
        raise ValueError(f"actions must be {wanted}, not {array.shape} {array.dtype}")
    device = playground.generator.device
    return playground.step(torch.tensor(array, dtype=torch.int64, device=device))


def action_mask(playground: VectorEnv) -> NDArray[np.int8]:
    """Which actions are allowed now, ``(B, A)``."""
    return to_numpy(playground.action_mask()).astype(np.int8)


def to_numpy(tensor: torch.Tensor) -> Array:
    """A copy on the host, so that whoever writes in it cannot reach the playground."""
    return tensor.detach().to("cpu", copy=True).numpy()


def unbatched(tensor: torch.Tensor) -> Any:
    """The only row; a number where it has no axes, as that is what ``SyncVectorEnv`` stacks."""
    row = to_numpy(tensor)[0]
    return bool(row) if tensor.dtype == torch.bool and tensor.ndim == 1 else row


def masked(values: dict[str, Array], where: Bools) -> Infos:
    """Arrays ``(B, ...)`` with their masks, zero where the mask is false; none if it is so all."""
    if not where.any():
        return {}
    infos: Infos = {}
    for key, value in values.items():
        column = where.reshape(-1, *(1 for _ in value.shape[1:]))
        infos[key] = np.where(column, value, np.zeros_like(value))
        infos[f"_{key}"] = where.copy()
    return infos


def rows(values: Array, where: Bools) -> NDArray[np.object_]:
    """Rows as objects ``(B,)``, ``None`` where the mask is false."""
    objects = np.full(len(values), None, dtype=object)
    for index in np.flatnonzero(where):
        objects[index] = values[index].copy()
    return objects
