"""Cage2 as a playground: the contract, Gymnasium, refusals, the mixture, the words."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch

from tests.training.cage2.play import ALL_REDS, number
from training.cage2.env import Cage2
from training.cage2.scenario import Variant, load
from training.env_check import check_env
from training.errors import ScenarioError

SCAN, EXPLOIT = 2, 3
# The official hosts' labels, nearest to the server first: it, who reveals it or is beside it, the
# rest of the enterprise, the users who reveal that, the foothold.
LABELS = [f"host{n}" for n in (6, 7, 8, 2, 3, 4, 5, 1, 13, 9, 10, 11, 12)]
SERVER, ENTERPRISE0 = 7, 1
CLEAN = "quiet; believed clean; decoys: none"
# B_line's kinds while blue does nothing that reaches the network and nothing fails.
WALK = [1, 2, 3, 4, 2, 3, 4, 1, 2, 3, 4, 2, 3, 4, 5]


def cage(num_envs: int = 1, seed: int = 0, **settings: Any) -> Cage2:
    return Cage2(num_envs, torch.Generator().manual_seed(seed), **settings)


def everywhere(env: Cage2, action: int) -> torch.Tensor:
    return torch.full((env.num_envs,), action)


def rests(env: Cage2, steps: int) -> Any:
    """Let red act; what the last step gave."""
    for _ in range(steps):
        out = env.step(everywhere(env, 0))
    return out


# The contract.


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("red", [*[(name,) for name in ALL_REDS], ("B_line", "Meander")])
def test_the_contract_is_kept(red: tuple[str, ...], variant: Variant) -> None:
    settings = {"num_envs": 4, "red": red, "variant": variant, "horizon": 10}
    check_env(lambda generator: Cage2(generator=generator, **settings), steps=25)


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("name", ["generated-5", "generated-20"])
def test_the_contract_is_kept_by_other_networks(name: str, variant: Variant) -> None:
    settings = {"num_envs": 3, "scenario": load(name), "variant": variant, "horizon": 7}
    check_env(lambda generator: Cage2(generator=generator, **settings), steps=25)


def test_sizes_are_the_scenarios() -> None:
    assert (cage().num_features, cage().num_actions) == (52, 145)
    large = cage(2, scenario=load("generated-31-1"))
    assert large.reset().shape == (2, 4 * 31)
    assert large.action_mask().shape == (2, 2 + 11 * 31)
    assert large.action_mask().all()
    assert large.state_bytes() > 0


@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_passes_a_single_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    gymnasium = pytest.importorskip("gymnasium")
    from gymnasium.utils.env_checker import check_env as gymnasium_check

    from training.gymnasium_env import SingleEnv

    monkeypatch.setattr(gymnasium.envs.registration, "registry", {})
    gymnasium.register("Cage2-v0", entry_point=lambda: SingleEnv(cage(horizon=10)))
    gymnasium_check(gymnasium.make("Cage2-v0").unwrapped)


def test_a_batch_plays_inside_gymnasiums_spaces() -> None:
    pytest.importorskip("gymnasium")
    from training.gymnasium_env import GymnasiumEnv

    env = GymnasiumEnv(cage(3, horizon=5))
    env.action_space.seed(0)
    obs, info = env.reset(seed=1)
    for step in range(1, 16):
        assert obs in env.observation_space
        action = env.action_space.sample(mask=tuple(info["action_mask"]))
        obs, _, terminated, truncated, info = env.step(action)
        assert not terminated.any()
        assert truncated.all() == truncated.any() == (step % 5 == 0)
        assert ("final_obs" in info) == (step % 5 == 0)


# Refusals.


@pytest.mark.parametrize("red", [("Blue",), ("B_line", "b_line"), ()])
def test_an_unknown_red_agent_is_refused(red: tuple[str, ...]) -> None:
    with pytest.raises(ScenarioError, match="B_line, Meander"):
        cage(red=red)


@pytest.mark.parametrize("action", [[0], [0, 0, 0], [[0], [0]]])
def test_actions_of_another_shape_are_refused(action: list[Any]) -> None:
    with pytest.raises(ValueError, match="shape"):
        cage(2).step(torch.tensor(action))


@pytest.mark.parametrize("action", [[0, -1], [145, 0], [0, 2**40]])
def test_actions_out_of_range_are_refused(action: list[int]) -> None:
    env = cage(2)
    with pytest.raises(ValueError, match="145"):
        env.step(torch.tensor(action))
    assert env.describe(0).facts["step"] == 0


@pytest.mark.parametrize(("num_envs", "horizon"), [(1, 0), (1, -3), (0, 10)])
def test_nothing_to_play_is_refused(num_envs: int, horizon: int) -> None:
    with pytest.raises(ScenarioError, match="at least one"):
        cage(num_envs, horizon=horizon)


@pytest.mark.parametrize("index", [-1, 2])
def test_environments_that_do_not_exist_are_not_described(index: int) -> None:
    with pytest.raises(IndexError):
        cage(2).describe(index)


# Episodes.


def test_episodes_end_at_the_horizon_and_begin_anew() -> None:
    env = cage(50, red=("B_line",), horizon=3)
    for step in range(1, 10):
        obs, _, terminated, truncated, info = rests(env, 1)
        assert not terminated.any()
        assert truncated.tolist() == [step % 3 == 0] * 50
        assert set(info["red_kind"].tolist()) == {WALK[(step - 1) % 3]}
        shows = bool(info["final_obs"].any())
        assert shows == (step % 3 != 1)
        assert bool(obs.any()) == (shows and step % 3 != 0)


def test_reset_begins_anew_in_the_middle_of_an_episode() -> None:
    env = cage(20, red=("B_line",))
    rests(env, 5)
    assert not env.reset().any()
    assert env.describe(3).facts["step"] == 0
    assert set(rests(env, 1)[4]["red_kind"].tolist()) == {1}


def test_every_episode_draws_its_red_agents_evenly() -> None:
    env, kinds = cage(3000, red=ALL_REDS, horizon=2), []
    for _ in range(3):
        # The first step of either is a sweep; then B_line scans an entry, Meander any user host.
        assert abs(int((rests(env, 1)[4]["red_kind"] == 0).sum()) - 1000) < 4 * 26
        kinds.append(rests(env, 1)[4]["red_target"])
    at_foothold = [int((target == 8).sum()) for target in kinds]
    assert all(abs(count - 200) < 4 * 14 for count in at_foothold)
    assert not torch.equal(kinds[0] == -1, kinds[1] == -1)


def test_the_mixture_is_the_two_that_attack() -> None:
    first, second = (rests(env, 2)[4] for env in (cage(4000), cage(4000, seed=1)))
    for info in (first, second):
        assert set(info["red_kind"].tolist()) == {SCAN}
        # A fifth of Meander's first scans are of the foothold, none of B_line's.
        assert abs(int((info["red_target"] == 8).sum()) - 400) < 4 * 19


def test_a_name_said_twice_weighs_twice() -> None:
    env = cage(3000, red=("Sleep", "Sleep", "Meander"))
    assert abs(int((rests(env, 1)[4]["red_kind"] == 0).sum()) - 2000) < 4 * 26


def test_info_says_whether_blue_succeeded() -> None:
    env = cage(3, red=("Sleep",))
    apache, smss = (number(env.scenario, f"Decoy{name}", 8) for name in ("Apache", "Smss"))
    femitter = number(env.scenario, "DecoyFemitter", 8)
    assert env.step(torch.tensor([apache, femitter, 0]))[4]["blue_success"].tolist() == [1, 0, 1]
    assert env.step(torch.tensor([apache, smss, 144]))[4]["blue_success"].tolist() == [0, 1, 1]


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("disarms", [True, False])
def test_a_restore_disarms_impact_where_it_is_to(variant: Variant, disarms: bool) -> None:
    env = cage(50, red=["B_line"], variant=variant, disarms=disarms)
    env.step(everywhere(env, number(env.scenario, "Restore", SERVER)))
    worst = min(float(rests(env, 1)[1].min()) for _ in range(60))
    # Costs of hosts alone are below 5; a stopped service costs 10.
    assert (worst > -5) == (disarms and variant is not Variant.REPAIRED)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_compiled_steps_are_bit_for_bit_the_same() -> None:
    eager, fused = (cage(16, red=ALL_REDS, horizon=20, compiled=flag) for flag in (False, True))
    dice = torch.Generator().manual_seed(1)
    for _ in range(50):
        action = torch.randint(145, (16,), generator=dice)
        (*one, info), (*other, told) = eager.step(action), fused.step(action)
        assert all(map(torch.equal, one, other))
        assert all(torch.equal(info[key], told[key]) for key in info)


# Words.


def test_hosts_are_described_nearest_to_the_server_first() -> None:
    state = cage(horizon=20).describe(0)
    assert state.lines[0] == "step 0 of 20; last action: none yet"
    assert [line.split(":")[0] for line in state.lines[1:]] == [
        "host1 (runs the service)",
        *(f"host{n} (1 hop away)" for n in (2, 3, 4, 5)),
        *(f"host{n} (2 hops away)" for n in (6, 7, 8)),
        *(f"host{n} (3 hops away)" for n in (9, 10, 11, 12)),
        "host13 (4 hops away)",
    ]
    assert all(line.endswith(f": {CLEAN}") for line in state.lines[1:])


def test_what_blue_did_is_described() -> None:
    env = cage(2, red=("Sleep",), horizon=20)
    for kind in ("DecoyTomcat", "DecoyApache", "Analyse"):
        env.step(everywhere(env, number(env.scenario, kind, ENTERPRISE0)))
    state = env.describe(1)
    assert state.lines[0] == "step 3 of 20; last action: analyse host7"
    assert state.lines[7] == ("host7 (2 hops away): quiet; believed clean; decoys: apache, tomcat")
    assert all(line.endswith(CLEAN) for line in state.lines[1:7] + state.lines[8:])
    assert {key: value for key, value in state.facts.items() if key.startswith("host7.")} == {
        **{"host7.distance": 2, "host7.cost": 1, "host7.activity": 0, "host7.verdict": 0},
        **{"host7.DecoyApache": 1, "host7.DecoyTomcat": 1},
        **{"host7.DecoyHarakaSMPT": 0, "host7.DecoyVsftpd": 0},
    }
    assert (state.facts["step"], state.facts["horizon"]) == (3, 20)
    assert state.facts["last_action"] == number(env.scenario, "Analyse", ENTERPRISE0)


def test_what_blue_sees_of_red_is_described() -> None:
    env = cage(60, red=("B_line",))
    target = rests(env, 2)[4]["red_target"].tolist()
    for i, host in enumerate(target):
        label = LABELS[host]
        line = f"{label} (3 hops away): scanned; believed clean; decoys: none"
        assert line in env.describe(i).lines
        assert env.describe(i).facts[f"{label}.activity"] == 1


def test_verdicts_are_described() -> None:
    env = cage(60, red=("B_line",))
    remove = number(env.scenario, "Remove", 0)
    _, _, _, _, info = rests(env, 3)
    shown = {env.describe(i).lines[int(LABELS[t][4:])].split(": ", 1)[1] for i, t in entries(info)}
    assert "exploited; believed user access; decoys: none" in shown
    hosts = info["red_target"].long()
    obs = env.step(hosts + 2)[0].view(60, 13, 4)
    told = [env.describe(i).facts[f"{LABELS[t]}.verdict"] for i, t in entries(info)]
    bits = obs[torch.arange(60), hosts]
    assert told == (bits[:, 2] + 2 * bits[:, 3]).tolist()
    assert 3 in told
    env.step(hosts + remove)
    told = [env.describe(i).facts[f"{LABELS[t]}.verdict"] for i, t in entries(info)]
    assert set(told) <= {0, 1, 2}
    assert 1 in told


def entries(info: dict[str, torch.Tensor]) -> list[tuple[int, int]]:
    return list(enumerate(info["red_target"].tolist()))


@pytest.mark.parametrize("name", ["official", "generated-8-3", "generated-31-1"])
def test_no_name_of_the_network_is_told(name: str) -> None:
    env = cage(4, scenario=load(name))
    rests(env, 25)
    state = env.describe(2)
    text = " ".join([*state.lines, *state.actions, *state.facts])
    hosts = env.scenario.hosts
    names = {*env.scenario.names, *(host.subnet for host in hosts), *(host.image for host in hosts)}
    assert not [each for each in names if each in text]
    assert len(state.actions) == len(set(state.actions)) == env.num_actions


def test_actions_are_labelled_in_their_order() -> None:
    labels = cage().describe(0).actions
    assert labels[:3] == ("sleep", "monitor", "analyse host6")
    assert labels[15 + SERVER] == "remove host1"
    assert labels[28:41] == tuple(f"decoy apache {label}" for label in LABELS)
    assert labels[132 + ENTERPRISE0] == "restore host7"
