"""The adapter of the official environment, around a small stand-in with the same interface.

With ``CYBORG`` set to a checkout of the real one, its returns are compared with our simulator's.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from tests.training.cage2.policies import always
from training.cage2.cyborg import Cyborg
from training.cage2.env import Cage2
from training.cage2.evaluate import HORIZONS, OPPONENTS, play
from training.cage2.evaluate_command import evaluate_command
from training.env_check import check_env
from training.errors import CyborgMissing, ScenarioError

HORIZON = 5
ANALYSE, REMOVE, FEMITTER, VSFTPD, RESTORE = 2, 15, 41, 119, 132  # the kinds' first indices
USER1, USER4 = 9, 12

app = typer.Typer()
app.command()(evaluate_command)

# Red costs 0, 1 or 2 a step by its kind, and a chance of each generator's is added: tenths of
# Python's, hundredths of numpy's.
FAKE = {
    "__init__.py": "from CybORG.CybORG import CybORG\n",
    "CybORG.py": """
import random
from pathlib import Path

MADE = []

class CybORG:
    def __init__(self, scenario_file, environment, agents):
        assert isinstance(scenario_file, str) and Path(scenario_file).is_file()
        assert environment == "sim" and list(agents) == ["Red"]
        self.red = agents["Red"]
        MADE.append(self.red.__name__)
        random.random()  # the real one draws addresses
""",
    "Agents/__init__.py": """
class SleepAgent:
    cost = 0

class B_lineAgent:
    cost = 1

class RedMeanderAgent:
    cost = 2
""",
    "Agents/Wrappers/__init__.py": """
import random
import numpy as np

BEGUN = []  # Python's random state at each reset

class ChallengeWrapper:
    def __init__(self, env, agent_name):
        assert agent_name == "Blue"
        self.env = env

    def reset(self):
        BEGUN.append(random.getstate())
        return np.zeros(52, dtype=int)

    def step(self, action):
        assert type(action) is int and 0 <= action < 145
        obs = np.zeros(52, dtype=int)
        host = random.randrange(13)
        obs[4 * host : 4 * host + 4] = [1, action % 2, 1, random.randrange(2)]
        chance = random.randrange(10) / 10 + np.random.randint(10) / 100
        return obs, -self.env.red.cost - chance * 0.1, False, {}
""",
    "Shared/Scenarios/Scenario2.yaml": "",
}


def forget() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "CybORG"]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _unimported() -> Iterator[None]:
    forget()
    yield
    forget()


def build(checkout: Path, **changes: str | None) -> Path:
    """A checkout with the stand-in; a change of ``None`` leaves the file out."""
    for name, text in (FAKE | changes).items():
        if text is not None:
            path = checkout / "CybORG" / "CybORG" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return build(tmp_path / "cage-challenge-2")


def make(checkout: Path, num_envs: int = 3, seed: int = 0, **settings: Any) -> Cyborg:
    generator = torch.Generator().manual_seed(seed)
    return Cyborg(checkout, num_envs, generator, **({"horizon": HORIZON} | settings))


def rewards(env: Cyborg, steps: int) -> torch.Tensor:
    asleep = torch.zeros(env.num_envs, dtype=torch.int64)
    return torch.stack([env.step(asleep)[1] for _ in range(steps)])


def module(name: str) -> Any:
    return sys.modules[f"CybORG{name}"]


def test_it_keeps_the_contract(checkout: Path) -> None:
    def made(generator: torch.Generator) -> Cyborg:
        return Cyborg(checkout, 3, generator, red=list(OPPONENTS), horizon=HORIZON)

    check_env(made, steps=12)


def test_sizes_are_those_of_our_simulator(checkout: Path) -> None:
    env, ours = make(checkout), Cage2(1, torch.Generator())
    assert (env.num_features, env.num_actions) == (ours.num_features, ours.num_actions) == (52, 145)


@pytest.mark.parametrize("inside", ["", "CybORG", "CybORG/CybORG"])
def test_every_folder_of_a_checkout_will_do(checkout: Path, inside: str) -> None:
    before = list(sys.path)
    assert make(checkout / inside).num_envs == 3
    assert sys.path == before


def test_every_episode_starts_from_a_seed_that_is_told(checkout: Path) -> None:
    env = make(checkout)
    begun = module(".Agents.Wrappers").BEGUN
    for episode in range(2):
        seeds = {tuple(seen) for seen in seeds_of(env)}
        assert len(seeds) == 1  # the same in every step of an episode
        states = [random.Random(seed).getstate() for seed in seeds.pop()]
        assert begun[3 * episode : 3 * episode + 3] == states
    assert len(set(begun)) == 9


def seeds_of(env: Cyborg) -> list[list[int]]:
    asleep = torch.zeros(env.num_envs, dtype=torch.int64)
    return [env.step(asleep)[4]["episode_seed"].tolist() for _ in range(HORIZON)]


def test_an_episode_is_what_its_seed_says(checkout: Path) -> None:
    env = make(checkout, red=["Sleep"])
    asleep = torch.zeros(3, dtype=torch.int64)
    given = [env.step(asleep) for _ in range(HORIZON)]
    for slot, seed in enumerate(given[0][4]["episode_seed"].tolist()):
        python, numpy = random.Random(seed), np.random.RandomState(seed)
        for _, reward, _, _, info in given:
            host, last = python.randrange(13), python.randrange(2)
            bits = np.zeros(52)
            bits[4 * host : 4 * host + 4] = [1, 0, 1, last]
            chance = python.randrange(10) / 10 + numpy.randint(10) / 100
            assert info["final_obs"][slot].tolist() == bits.tolist()
            assert float(reward[slot]) == pytest.approx(-chance * 0.1)


def test_the_callers_random_states_are_untouched_and_do_not_matter(checkout: Path) -> None:
    random.seed(1)
    np.random.seed(1)
    undisturbed = rewards(make(checkout), 2 * HORIZON)
    env, other = make(checkout), make(checkout, seed=9)
    disturbed = []
    for seed in range(2 * HORIZON):
        random.seed(seed)
        np.random.seed(seed)
        before = random.getstate(), np.random.get_state()[1].tolist()
        disturbed.append(rewards(env, 1))
        rewards(other, 1)
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    assert torch.equal(torch.cat(disturbed), undisturbed)


def test_red_is_drawn_for_every_episode_and_made_once_a_slot(checkout: Path) -> None:
    env = make(checkout, num_envs=4, red=["B_line", "Sleep"], horizon=1)
    costs = (-rewards(env, 100)).floor()  # what chance adds is below 1
    assert set(costs.flatten().tolist()) == {0.0, 1.0}
    assert costs.mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(400))
    assert sorted(module(".CybORG").MADE) == ["B_lineAgent"] * 4 + ["SleepAgent"] * 4


@pytest.mark.parametrize("red", [[], ["B_line", "Bline"]])
def test_reds_must_exist(checkout: Path, red: list[str]) -> None:
    with pytest.raises(ScenarioError, match="there are B_line, Meander, Sleep"):
        make(checkout, red=red)


def test_words_are_made_of_the_bits(checkout: Path) -> None:
    env = make(checkout, horizon=100)
    action = torch.full((3,), ANALYSE + USER1)
    for index, row in enumerate(env.step(action)[0].reshape(3, 13, 4).tolist()):
        facts = env.describe(index).facts
        wanted = sorted(
            (active + exploited, low + 2 * high) for active, exploited, low, high in row
        )
        given = sorted(
            (facts[f"host{n}.activity"], facts[f"host{n}.verdict"]) for n in range(1, 14)
        )
        assert given == wanted
        assert (facts["step"], facts["last_action"]) == (1, ANALYSE + USER1)


def test_decoys_follow_from_blues_own_actions(checkout: Path) -> None:
    env, ours = make(checkout, 1, horizon=9), Cage2(1, torch.Generator(), horizon=9)
    acts = [VSFTPD + USER4, FEMITTER + USER4, FEMITTER + USER1, RESTORE + USER4, REMOVE + USER1]
    seen = []
    for action in [*acts, *[0] * 4]:
        env.step(torch.tensor([action]))
        ours.step(torch.tensor([action]))
        views = [
            {fact: value for fact, value in side.describe(0).facts.items() if ".Decoy" in fact}
            for side in (env, ours)
        ]
        assert views[0] == views[1]
        seen.append(sum(views[0].values()))
    assert seen == [1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "neighbour").mkdir()
    build(tmp_path)
    for place in (tmp_path / "absent", tmp_path / "CybORG" / "neighbour"):
        with pytest.raises(CyborgMissing, match="no CybORG there; git clone https://") as raised:
            make(place)
        assert "prettytable" in str(raised.value)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    wrappers = "import a_gym_that_nobody_has\n"
    checkout = build(tmp_path, **{"Agents/Wrappers/__init__.py": wrappers})
    with pytest.raises(CyborgMissing, match="needs the module a_gym_that_nobody_has, not inst"):
        make(checkout)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("Agents/__init__.py", "", "AttributeError"),
        ("Agents/__init__.py", None, "does not import"),
        ("CybORG.py", "1 / 0", "ZeroDivisionError"),
        ("Shared/Scenarios/Scenario2.yaml", None, "has no Scenario2.yaml"),
    ],
)
def test_a_broken_checkout_is_told_from_a_missing_one(
    tmp_path: Path, name: str, text: str | None, told: str
) -> None:
    with pytest.raises(CyborgMissing, match=told) as raised:
        make(build(tmp_path, **{name: text}))
    assert "git clone" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_another_version_is_refused(tmp_path: Path) -> None:
    wrappers = FAKE["Agents/Wrappers/__init__.py"].replace("zeros(52", "zeros(62")
    with pytest.raises(CyborgMissing, match="62 numbers, not 52, so it is not"):
        make(build(tmp_path, **{"Agents/Wrappers/__init__.py": wrappers}))


def test_one_process_holds_one_checkout(checkout: Path, tmp_path: Path) -> None:
    make(checkout)
    make(checkout)
    with pytest.raises(CyborgMissing, match="another CybORG"):
        make(build(tmp_path / "second"))


def test_a_policy_is_scored_through_it(checkout: Path, tmp_path: Path) -> None:
    policy = always(tmp_path / "policy.onnx")
    arguments = [str(policy), "--cyborg", str(checkout), "--episodes", "3"]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["environment"], result["variant"]) == ("cyborg", None)
    assert [cell["episodes"] for cell in result["cells"]] == [3] * 9
    cost = {"Sleep": 0, "B_line": 1, "Meander": 2}
    for cell in result["cells"]:
        # Chance adds 0.0495 a step on average.
        wanted = -cell["steps"] * (cost[cell["red"]] + 0.0495)
        assert cell["mean"] == pytest.approx(wanted, abs=0.03 * cell["steps"])
    # As in the official script, a cell's episodes are played on one object.
    assert len(module(".CybORG").MADE) == 9
    table = CliRunner().invoke(app, arguments)
    assert "3 episodes a cell in cyborg, scenario official, seed 0" in table.stdout
    assert [line.split()[0] for line in table.stdout.splitlines()[3:6]] == [*map(str, HORIZONS)]


@pytest.mark.parametrize("wrong", [["--variant", "lb"], ["--scenario", "generated-20"]])
def test_a_checkout_has_its_own_rules(checkout: Path, tmp_path: Path, wrong: list[str]) -> None:
    policy = always(tmp_path / "policy.onnx")
    done = CliRunner().invoke(app, [str(policy), "--cyborg", str(checkout), *wrong])
    assert done.exit_code == 2
    assert "a checkout has its own rules" in " ".join(done.stderr.replace("│", " ").split())


def test_the_command_passes_on_that_it_is_missing(tmp_path: Path) -> None:
    policy = always(tmp_path / "policy.onnx")
    done = CliRunner().invoke(app, [str(policy), "--cyborg", str(tmp_path)])
    assert isinstance(done.exception, CyborgMissing)


class Asleep:
    def begin(self, batch: int) -> None:
        pass

    def act(self, obs: Any) -> Any:
        return np.zeros(len(obs), dtype=np.int64)


@pytest.mark.skipif("CYBORG" not in os.environ, reason="CYBORG names no checkout of CybORG 2.1")
@pytest.mark.parametrize("red", OPPONENTS)
def test_the_real_one_agrees_with_our_simulator(red: str) -> None:
    generator = torch.Generator().manual_seed(0)
    real = Cyborg(Path(os.environ["CYBORG"]), 1, generator, red=[red], horizon=100)
    ours = Cage2(1000, torch.Generator().manual_seed(0), red=[red], horizon=100)
    theirs, mine = (
        play(env, Asleep(), episodes, lambda _: None)
        for env, episodes in ((real, 20), (ours, 1000))
    )
    # Our deviation, as theirs of twenty episodes may be small by accident.
    error = mine.std(ddof=1) * math.sqrt(1 / 20 + 1 / 1000)
    assert theirs.mean() == pytest.approx(mine.mean(), abs=4 * error + 1e-3)
