"""Our playgrounds under Gymnasium's own checker, wrappers, registry and info conventions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.toy_env import CELLS, ToyEnv
from training.env import VectorEnv

gymnasium = pytest.importorskip("gymnasium")

from gymnasium.error import ResetNeeded  # noqa: E402 - after the skip
from gymnasium.utils.env_checker import check_env, data_equivalence  # noqa: E402
from gymnasium.vector import AutoresetMode, SyncVectorEnv  # noqa: E402
from gymnasium.wrappers.vector import RecordEpisodeStatistics  # noqa: E402

from training.gymnasium_env import GymnasiumEnv, SingleEnv  # noqa: E402

BATCH, STEPS = 3, 40

equal = partial(data_equivalence, exact=True)  # keys, types, dtypes and shapes too


def toy(num_envs: int = BATCH, seed: int = 0, **settings: Any) -> VectorEnv:
    return ToyEnv(torch.Generator().manual_seed(seed), num_envs, **settings)


def make_batch(num_envs: int, **settings: Any) -> GymnasiumEnv:
    return GymnasiumEnv(toy(num_envs), **settings)


def make_single(**settings: Any) -> SingleEnv:
    return SingleEnv(toy(1, **settings))


@pytest.fixture
def registered() -> Iterator[str]:
    name = "ToyWalk-v0"
    gymnasium.register(name, entry_point=make_single, vector_entry_point=make_batch)
    yield name
    del gymnasium.registry[name]


def test_a_batch_steps_inside_its_spaces() -> None:
    env = GymnasiumEnv(toy())
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert env.observation_space.shape == (BATCH, CELLS + 1)
    assert env.single_action_space == gymnasium.spaces.Discrete(3)
    env.action_space.seed(0)
    obs, info = env.reset(seed=1)
    for _ in range(STEPS):
        assert obs in env.observation_space
        assert obs[0] in env.single_observation_space
        action = env.action_space.sample(mask=tuple(info["action_mask"]))
        assert info["action_mask"][np.arange(BATCH), action].all()
        obs, reward, terminated, truncated, info = env.step(action)
        assert reward.dtype == np.float32
        assert terminated.dtype == truncated.dtype == np.bool_
    env.close()
    assert env.closed


def test_a_batch_plays_what_its_playground_plays() -> None:
    env, plain = GymnasiumEnv(toy()), toy()
    first = plain.reset(4)
    assert np.array_equal(env.reset(seed=4)[0], first.numpy())
    for number in range(STEPS):
        action = np.arange(BATCH) % 2 + number % 2
        given = env.step(action)
        wanted = plain.step(torch.tensor(action))
        for array, tensor in zip(given[:4], wanted[:4], strict=True):
            assert np.array_equal(array, tensor.numpy())
        assert np.array_equal(given[4]["action_mask"], plain.action_mask().numpy())


def test_bounds_of_every_feature_and_of_each() -> None:
    assert GymnasiumEnv(toy(), low=-1.0, high=2.0).observation_space.high.max() == 2.0
    high = np.arange(1, CELLS + 2, dtype=np.float32)
    space = SingleEnv(toy(1), high=high).observation_space
    assert np.array_equal(space.high, high)


def test_infos_are_those_of_a_sync_vector_env() -> None:
    # Without chance, a batch and as many single environments play the same episodes.
    calm = {"slip": 0.0, "random_start": False, "limit": 4}
    ours = GymnasiumEnv(toy(**calm))
    theirs = SyncVectorEnv(
        [lambda: make_single(**calm)] * BATCH, autoreset_mode=AutoresetMode.SAME_STEP
    )
    assert theirs.metadata["autoreset_mode"] is ours.metadata["autoreset_mode"]
    assert theirs.observation_space == ours.observation_space
    assert theirs.action_space == ours.action_space
    assert equal(ours.reset(seed=0), theirs.reset(seed=0))
    rng, seen = np.random.default_rng(0), set()
    for number in range(STEPS):
        # First all alike, so that all end together, and then each as it pleases.
        action = np.resize(rng.integers(3, size=BATCH if number > STEPS // 2 else 1), BATCH)
        mine, other = ours.step(action), theirs.step(action)
        assert np.array_equal(mine[1], other[1].astype(np.float32))  # theirs are float64
        assert equal(mine[0], other[0])
        assert equal(mine[2:], other[2:])
        seen.add(int((mine[2] | mine[3]).sum()))
    assert seen >= {0, 1, BATCH}


def test_the_infos_of_an_ended_episode() -> None:
    env = GymnasiumEnv(toy(2, slip=0.0, random_start=False))
    env.reset()
    env.step(np.array([0, 1]))
    obs, reward, terminated, _, info = env.step(np.array([0, 0]))
    assert terminated.tolist() == [True, False]
    assert reward.tolist() == [-1.125, -0.125]
    assert info["_final_obs"].tolist() == [True, False]
    assert info["final_obs"][0].tolist() == pytest.approx([1, 0, 0, 0, 0, 2 / 6])
    assert info["final_obs"][1] is None
    assert obs[0].tolist() == [0, 0, 1, 0, 0, 0]
    assert info["final_info"]["time"].tolist() == [2, 0]
    assert info["final_info"]["_time"].tolist() == info["_final_info"].tolist() == [True, False]
    assert info["time"].tolist() == [0, 2]
    assert info["_time"].tolist() == [False, True]
    assert info["action_mask"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert info["_action_mask"].all()


def test_dense_final_observations() -> None:
    env, plain = GymnasiumEnv(toy(), dense_final_obs=True), GymnasiumEnv(toy())
    for one in (env, plain):
        one.reset(seed=2)
    for _ in range(STEPS):
        info, wanted = (one.step(np.zeros(BATCH, dtype=np.int64))[4] for one in (env, plain))
        assert info.keys() == wanted.keys()
        for index in np.flatnonzero(info.get("_final_obs", [])):
            assert np.array_equal(info["final_obs"][index], wanted["final_obs"][index])
    assert info["final_obs"].dtype == np.float32


def test_what_a_caller_writes_does_not_reach_the_playground() -> None:
    env, plain = GymnasiumEnv(toy()), GymnasiumEnv(toy())
    for one in (env, plain):
        one.reset(seed=3)
    for _ in range(STEPS):
        given, wanted = (one.step(np.ones(BATCH, dtype=np.int32)) for one in (env, plain))
        assert equal(given, wanted)
        for array in (*given[:4], given[4]["action_mask"], given[4].get("time", given[0])):
            array.fill(0)


@pytest.mark.parametrize("actions", [[0, 1], [0.0, 1.0, 2.0], [[0], [1], [2]], 1])
def test_actions_of_another_shape_or_kind_are_refused(actions: Any) -> None:
    env = GymnasiumEnv(toy())
    env.reset()
    with pytest.raises(ValueError, match=r"actions must be \(3,\) integers"):
        env.step(np.array(actions))


def test_a_partial_reset_is_refused() -> None:
    env = GymnasiumEnv(toy())
    with pytest.raises(ValueError, match="reset_mask"):
        env.reset(options={"reset_mask": np.array([True, False, False])})


def test_episode_statistics() -> None:
    env = RecordEpisodeStatistics(GymnasiumEnv(toy()))
    env.reset(seed=0)
    sums, lengths, seen = np.zeros(BATCH), np.zeros(BATCH, dtype=int), 0
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        _, reward, terminated, truncated, info = env.step(rng.integers(2, size=BATCH))
        sums, lengths = sums + reward, lengths + 1
        ended = terminated | truncated
        if ended.any():
            assert np.array_equal(info["_episode"], ended)
            assert np.array_equal(info["episode"]["r"][ended], sums[ended])
            assert np.array_equal(info["episode"]["l"][ended], lengths[ended])
            seen += int(ended.sum())
        sums[ended], lengths[ended] = 0.0, 0
    assert seen == env.episode_count > 5
    assert len(env.return_queue) == seen


def test_numpy_to_torch() -> None:
    pytest.importorskip("array_api_compat", reason="Gymnasium's tensor wrappers need it")
    from gymnasium.wrappers.vector import NumpyToTorch

    env = NumpyToTorch(RecordEpisodeStatistics(GymnasiumEnv(toy(), dense_final_obs=True)))
    plain = toy()
    obs, info = env.reset(seed=6)
    assert torch.equal(obs, plain.reset(6))
    assert torch.equal(info["action_mask"].bool(), plain.action_mask())
    returns = torch.zeros(BATCH)
    for _ in range(STEPS):
        action = torch.ones(BATCH, dtype=torch.int64)
        *given, info = env.step(action)
        *wanted, told = plain.step(action)
        assert all(map(torch.equal, given, wanted))
        returns += wanted[1]
        ended = wanted[2] | wanted[3]
        if bool(ended.any()):
            assert torch.equal(info["final_obs"][ended], told["final_obs"][ended])
            assert torch.equal(info["episode"]["r"][ended].float(), returns[ended])
        returns[ended] = 0.0


@pytest.mark.filterwarnings("error")
def test_a_single_environment_passes_gymnasiums_checker(registered: str) -> None:
    check_env(gymnasium.make(registered).unwrapped)


@pytest.mark.filterwarnings("error")
def test_the_registry_makes_both(registered: str) -> None:
    batch = gymnasium.make_vec(registered, num_envs=5, high=2.0)
    assert isinstance(batch, GymnasiumEnv)
    assert batch.num_envs == 5
    assert batch.single_observation_space.high.max() == 2.0
    single = gymnasium.make(registered, limit=2, max_episode_steps=30)
    obs, info = single.reset(seed=0)
    assert obs in single.observation_space
    action = single.action_space.sample(mask=info["action_mask"])
    assert single.step(action)[0] in single.observation_space
    sync = gymnasium.make_vec(registered, num_envs=2, vectorization_mode="sync")
    assert isinstance(sync, SyncVectorEnv)


def test_a_single_environment_stops_where_the_episode_ends() -> None:
    env = make_single(slip=0.0, random_start=False)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(0)
    obs, info = env.reset(seed=0)
    assert obs.tolist() == [0, 0, 1, 0, 0, 0]
    assert info["action_mask"].tolist() == [1, 1, 1]
    obs, reward, terminated, truncated, info = env.step(1)
    assert (reward, terminated, truncated, info["time"]) == (-0.125, False, False, 1)
    assert info["action_mask"].tolist() == [1, 1, 0]
    obs, reward, terminated, truncated, info = env.step(np.int64(1))
    assert obs.tolist() == pytest.approx([0, 0, 0, 0, 1, 2 / 6])
    assert (reward, terminated, truncated) == (0.875, True, False)
    assert set(info) == {"slipped", "time"}
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(0)
    assert env.reset()[0].tolist() == [0, 0, 1, 0, 0, 0]


def test_a_single_environment_says_which_ending() -> None:
    env = make_single(slip=1.0, random_start=False, limit=2)
    env.reset()
    assert env.step(0)[2:4] == (False, False)
    assert env.step(0)[2:4] == (False, True)


def test_a_single_environment_refuses_what_is_not_single() -> None:
    with pytest.raises(ValueError, match="wraps one environment, not 3"):
        SingleEnv(toy())
    env = make_single()
    env.reset()
    with pytest.raises(ValueError, match=r"actions must be \(1,\) integers"):
        env.step([0])


def test_warnings_are_errors_in_no_step() -> None:
    env = GymnasiumEnv(toy())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset()
        action = np.zeros(BATCH, dtype=np.int64)
        action.flags.writeable = False
        env.step(action)
