"""The gateway playground under Gymnasium's own checker, and inside its spaces."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.training.gateway.by_hand import BENIGN, MALICIOUS, recording
from training.gateway.env import Gateway
from training.gateway.rewards import COMPONENTS, Rewards
from training.gateway.surroundings import Surroundings
from training.gateway.tape import Tape

gymnasium = pytest.importorskip("gymnasium")

from gymnasium.utils.env_checker import check_env  # noqa: E402 - after the skip

from training.gymnasium_env import GymnasiumEnv, SingleEnv  # noqa: E402

BOUNDS = {"low": -4.0, "high": 4.0}


def gateway(num_envs: int) -> Gateway:
    flows = [(0.5 * n, MALICIOUS if n % 3 else BENIGN, n % 5) for n in range(60)]
    return Gateway(
        num_envs,
        torch.Generator().manual_seed(1),
        Tape([recording(flows)], torch.device("cpu")),
        rewards=Rewards(),
        surroundings=Surroundings(confirmed_after_s=20.0),
        window=20,
        noise=0.03,
    )


@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_passes_a_single_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gymnasium.envs.registration, "registry", {})
    gymnasium.register("Gateway-v0", entry_point=lambda: SingleEnv(gateway(1), **BOUNDS))
    check_env(gymnasium.make("Gateway-v0").unwrapped)


def test_a_batch_plays_inside_gymnasiums_spaces() -> None:
    env = GymnasiumEnv(gateway(4), **BOUNDS)
    env.action_space.seed(0)
    obs, info = env.reset(seed=1)
    seen: dict[str, Any] = {}
    for _ in range(80):
        assert obs in env.observation_space
        obs, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert not terminated.any()
        assert ("final_obs" in info) == truncated.any()
        playing = {name: info[name] for name in COMPONENTS if name in info}
        assert sum(playing.values())[~truncated] == pytest.approx(reward[~truncated])
        seen |= info
    assert {"final_obs", *COMPONENTS} <= seen.keys()
