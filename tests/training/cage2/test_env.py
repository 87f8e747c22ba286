"""Cage2 as a playground: the contract, Gymnasium, refusals, the mixture, the words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.training.cage2.play import ALL_REDS, number
from training.cage2.describe import WORDS, HostView, action_labels, describe
from training.cage2.env import Cage2
from training.cage2.memory import Cage2Memory
from training.cage2.scenario import Variant, load
from training.env_check import check_env
from training.errors import ScenarioError
from training.teacher.teacher import StateText

SCAN, EXPLOIT = 2, 3
# The official hosts' labels, nearest to the server first: it, who reveals it or is beside it, the
# rest of the enterprise, the users who reveal that, the foothold.
LABELS = [f"host{n}" for n in (6, 7, 8, 2, 3, 4, 5, 1, 13, 9, 10, 11, 12)]
SERVER, ENTERPRISE0, ENTERPRISE1 = 7, 1, 2
# What each is worth, host1 first.
WORTH = ["core vital", "vital", *["cheap"] * 4, *["outer vital"] * 2, *["cheap"] * 4, "spare"]
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


def spelled(obs: torch.Tensor) -> list[str]:
    """The lines of an early observation ``(52,)`` of the official network without decoys."""
    activity = {(0, 0): "", (1, 0): " scanned", (1, 1): " exploited"}
    verdict = {(0, 0): "", (1, 0): " doubtful", (0, 1): " accessed", (1, 1): " controlled"}
    lines, bits = [], obs.view(13, 4).int().tolist()
    for n, worth in enumerate(WORTH, start=1):
        active, exploited, suspected, confirmed = bits[LABELS.index(f"host{n}")]
        said = activity[active, exploited] + verdict[suspected, confirmed]
        costly = " costly" * (worth == "cheap" and suspected + confirmed == 2)
        lines.append(f"host{n} {worth}{said}{costly} bare")
    return lines


def test_hosts_are_described_nearest_to_the_server_first() -> None:
    state = cage(horizon=20).describe(0)
    assert list(state.lines) == [
        "host1 core vital bare",
        "host2 vital bare",  # it reveals the server
        *(f"host{n} cheap bare" for n in (3, 4, 5, 6)),  # beside it; then blue's own
        *(f"host{n} outer vital bare" for n in (7, 8)),
        *(f"host{n} cheap bare" for n in (9, 10, 11, 12)),
        "host13 spare bare",  # the foothold
    ]
    hops = [state.facts[f"host{n}.distance"] for n in range(1, 14)]
    assert hops == [0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4]


def test_the_largest_network_is_described() -> None:
    lines = cage(2, scenario=load("generated-31")).describe(1).lines
    assert lines == (
        *("host1 core vital bare", "host2 vital bare"),
        *(f"host{n} cheap bare" for n in range(3, 13)),  # 9 beside the server, and blue's own
        *(f"host{n} outer vital bare" for n in range(13, 22)),
        *(f"host{n} cheap bare" for n in range(22, 31)),
        "host31 spare bare",
    )


def test_what_blue_did_is_described() -> None:
    env = cage(2, red=("Sleep",), horizon=20)
    for kind in ("DecoyTomcat", "DecoyApache", "Analyse"):
        env.step(everywhere(env, number(env.scenario, kind, ENTERPRISE0)))
    state, wanted = env.describe(1), spelled(torch.zeros(52))
    wanted[6] = "host7 outer vital open"
    assert list(state.lines) == wanted
    assert {key: value for key, value in state.facts.items() if key.startswith("host7.")} == {
        **{"host7.distance": 2, "host7.cost": 1, "host7.activity": 0, "host7.verdict": 0},
        **{"host7.DecoyApache": 1, "host7.DecoyTomcat": 1},
        **{"host7.DecoyHarakaSMPT": 0, "host7.DecoyVsftpd": 0},
    }
    assert (state.facts["step"], state.facts["horizon"]) == (3, 20)
    assert state.facts["last_action"] == number(env.scenario, "Analyse", ENTERPRISE0)


def test_a_host_without_a_place_for_a_decoy_is_neither_bare_nor_open() -> None:
    env = cage(red=("Sleep",))
    for kind, line in (
        ("DecoyFemitter", "host8 outer vital"),
        ("Restore", "host8 outer vital bare"),
    ):
        env.step(everywhere(env, number(env.scenario, kind, ENTERPRISE1)))
        assert env.describe(0).lines[7] == line


def test_what_blue_sees_of_red_is_described() -> None:
    env = cage(60, red=("B_line",))
    target = rests(env, 2)[4]["red_target"].tolist()
    for i, host in enumerate(target):
        assert f"{LABELS[host]} cheap scanned bare" in env.describe(i).lines
        assert env.describe(i).facts[f"{LABELS[host]}.activity"] == 1


def test_verdicts_are_described() -> None:
    env = cage(60, red=("B_line",))
    obs, *_, info = rests(env, 3)
    hosts, each, shown = info["red_target"].long(), torch.arange(60), []
    for kind in ("Analyse", "Remove", "Remove"):
        states = [env.describe(i) for i in range(60)]
        assert [list(state.lines) for state in states] == [spelled(row) for row in obs]
        bits = obs.view(60, 13, 4)[each, hosts]
        told = [states[i].facts[f"{LABELS[host]}.verdict"] for i, host in enumerate(hosts)]
        assert told == (bits[:, 2] + 2 * bits[:, 3]).tolist()
        shown.append(set(told))
        obs, *_ = env.step(hosts + number(env.scenario, kind, 0))
    assert 2 in shown[0]  # as monitoring saw the attack
    assert 3 in shown[1]  # as a look at it did
    assert 1 in shown[2] <= {0, 1, 2}  # once it was removed


def said_of_all(
    activity: int, verdict: int, last: str = "sleep", step: int = 1, horizon: int = 100
) -> dict[str, list[str]]:
    """What is said of each official host besides its worth, if the same is known of all."""
    scenario = load("official")
    hosts = [HostView(activity, verdict, (), ())] * 13
    action = action_labels(scenario).index(last)
    lines = describe(scenario, hosts, step, horizon, action).lines
    return {
        f"host{n}": line.split(f" {WORTH[n - 1]}")[1].split() for n, line in enumerate(lines, 1)
    }


@pytest.mark.parametrize("activity", [0, 1, 2])
def test_only_an_exploit_where_a_decoy_was_just_placed_is_a_mere_alarm(activity: int) -> None:
    seen = [["", "scanned", "exploited"][activity]] * (activity > 0)
    for action in action_labels(load("official")):
        placed = action.split()[-1] if action.startswith("decoy") and activity == 2 else None
        for host, words in said_of_all(activity, 2, action).items():
            assert words == [*seen, "alarmed" if host == placed else "accessed"]


@pytest.mark.parametrize(("verdict", "words"), [(0, []), (1, ["doubtful"]), (3, ["controlled"])])
def test_other_beliefs_are_no_alarms(verdict: int, words: list[str]) -> None:
    assert said_of_all(2, verdict, "decoy apache host7")["host7"] == ["exploited", *words]


@pytest.mark.parametrize(
    ("step", "horizon", "costly"),
    [(0, 100, True), (65, 100, True), (66, 100, False), (0, 34, False), (0, 35, True)],
)
def test_cheap_hosts_in_an_attackers_hands_are_costly_for_35_steps(
    step: int, horizon: int, costly: bool
) -> None:
    said = said_of_all(0, 3, step=step, horizon=horizon)
    cheap = {f"host{n}" for n in (3, 4, 5, 6, 9, 10, 11, 12)}
    assert {host for host, words in said.items() if "costly" in words} == (
        cheap if costly else set()
    )
    assert not any("costly" in words for v in (0, 1, 2) for words in said_of_all(0, v).values())


def recalled_play(name: str, red: str) -> Iterator[StateText]:
    """States of random play, with what is remembered."""
    env = cage(8, seed=2, scenario=load(name), red=(red,))
    memory = Cage2Memory(env.scenario)
    obs, state = env.reset(), torch.zeros(8, memory.state_size)
    for _ in range(50):
        yield from (memory.recall(env.describe(i), state[i]) for i in range(8))
        action = torch.randint(env.num_actions, (8,), generator=env.generator)
        state = memory.remember(obs, state, action)
        obs, *_ = env.step(action)


def test_the_vocabulary_is_what_is_said() -> None:
    said = set()
    for name in ("official", "generated-5", "generated-31"):
        for red in ALL_REDS:
            for state in recalled_play(name, red):
                labels, *_ = zip(*(line.split(" ", 1) for line in state.lines), strict=True)
                assert labels == tuple(f"host{n}" for n in range(1, len(state.lines) + 1))
                said.update(word for line in state.lines for word in line.split()[1:])
    assert said == WORDS


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
