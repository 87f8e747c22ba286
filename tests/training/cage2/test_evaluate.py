"""The official protocol, with policies whose scores are known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

from tests.training.cage2.policies import ACTIONS, FEATURES, always, restore_first
from tests.training.toy_env import STAY, ToyEnv
from training.cage2.env import Cage2
from training.cage2.evaluate import (
    HORIZONS,
    OPPONENTS,
    Cell,
    Evaluation,
    cell_seed,
    evaluate,
    play,
    simulator,
    total_steps,
)
from training.cage2.evaluate_command import evaluate_command
from training.cage2.onnx_policy import OnnxPolicy
from training.cage2.scenario import Variant, load
from training.errors import PolicyError

EPISODES = 200
# Mean and deviation of the official environment's returns at 100 steps under a sleeping blue.
RECORDED = {"B_line": (-1136.2, 17.0), "Meander": (-974.5, 70.0)}

app = typer.Typer()
app.command()(evaluate_command)


class Always:
    """Takes one action, and notes how many episodes were begun at a time."""

    def __init__(self, action: int = 0) -> None:
        self.action = action
        self.begun: list[int] = []

    def begin(self, batch: int) -> None:
        self.begun.append(batch)

    def act(self, obs: NDArray[np.float32]) -> NDArray[np.int64]:
        return np.full(len(obs), self.action, dtype=np.int64)


def cell(result: Evaluation, red: str, steps: int) -> Cell:
    (found,) = (cell for cell in result.cells if (cell.red, cell.steps) == (red, steps))
    return found


@pytest.fixture(scope="module")
def asleep(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    path = always(tmp_path_factory.mktemp("asleep") / "asleep.onnx")
    policy = OnnxPolicy(path, FEATURES, ACTIONS)
    return evaluate(policy, simulator(), name="asleep", episodes=EPISODES, seed=5)


@pytest.fixture(scope="module")
def restoring(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    path = restore_first(tmp_path_factory.mktemp("restoring") / "restoring.onnx")
    policy = OnnxPolicy(path, FEATURES, ACTIONS)
    return evaluate(policy, simulator(), name="restoring", episodes=EPISODES, seed=5)


def test_a_sleeping_policy_scores_as_recorded(asleep: Evaluation) -> None:
    for red, (mean, deviation) in RECORDED.items():
        found = cell(asleep, red, 100)
        assert found.mean == pytest.approx(mean, abs=4 * deviation / math.sqrt(EPISODES))
        assert found.se == pytest.approx(deviation / math.sqrt(EPISODES), rel=0.5)


def test_nothing_happens_where_both_sleep(asleep: Evaluation) -> None:
    for steps in HORIZONS:
        assert cell(asleep, "Sleep", steps) == Cell("Sleep", steps, 0.0, 0.0, EPISODES)


def test_every_episode_begins_with_an_empty_memory(restoring: Evaluation) -> None:
    for steps in HORIZONS:
        assert cell(restoring, "Sleep", steps) == Cell("Sleep", steps, -1.0, 0.0, EPISODES)


def test_a_restored_server_cannot_be_stopped(restoring: Evaluation) -> None:
    means = {steps: cell(restoring, "B_line", steps).mean for steps in HORIZONS}
    # B_line then holds four hosts, worth 3.1 a step, and gains no more.
    assert means[100] - means[50] == pytest.approx(-3.1 * 50, abs=2)
    assert means[50] - means[30] == pytest.approx(-3.1 * 20, abs=2)
    assert -1 - 3.1 * 30 < means[30] < -1


def test_the_total_is_the_sum_of_the_cells(asleep: Evaluation) -> None:
    assert [(c.steps, c.red) for c in asleep.cells] == [(n, r) for n in HORIZONS for r in OPPONENTS]
    assert asleep.total == pytest.approx(sum(c.mean for c in asleep.cells))
    assert asleep.total_se == pytest.approx(math.sqrt(sum(c.se**2 for c in asleep.cells)))


def test_the_result_is_json(asleep: Evaluation) -> None:
    given = json.loads(json.dumps(asleep.as_dict()))
    cells = given.pop("cells")
    assert given == {
        "total": asleep.total,
        "total_se": asleep.total_se,
        "policy": "asleep",
        "environment": "sluicegate",
        "variant": "head",
        "scenario": "official",
        "seed": 5,
    }
    assert [Cell(**cell) for cell in cells] == list(asleep.cells)


def test_the_seed_decides_everything(asleep: Evaluation) -> None:
    again = evaluate(Always(), simulator(), name="asleep", episodes=EPISODES, seed=5)
    other = evaluate(Always(), simulator(), name="asleep", episodes=EPISODES, seed=6)
    assert again == asleep
    assert cell(other, "Meander", 30).mean != cell(asleep, "Meander", 30).mean


def test_no_two_cells_share_their_chance() -> None:
    seeds = {cell_seed(s, n, red) for s in range(5) for n in HORIZONS for red in OPPONENTS}
    assert len(seeds) == 45
    # As documented, so that a cell can be played again by itself.
    assert cell_seed(5, 30, "B_line") == np.random.SeedSequence((5, 30, 1)).generate_state(
        1, np.uint64
    )


def test_a_cell_is_the_mean_and_its_error_of_episodes_that_can_be_played_again() -> None:
    result = evaluate(Always(), simulator(), name="asleep", episodes=2, seed=5)
    generator = torch.Generator().manual_seed(cell_seed(5, 50, "Meander"))
    env = Cage2(2, generator, red=["Meander"], horizon=50)
    one, other = play(env, Always(), 2, lambda _: None)
    found = cell(result, "Meander", 50)
    assert one != other
    assert found.mean == pytest.approx((one + other) / 2)
    assert found.se == pytest.approx(abs(one - other) / 2)


def test_steps_are_counted_as_announced() -> None:
    policy, made = Always(), 0

    def advance(steps: int) -> None:
        nonlocal made
        made += steps

    evaluate(policy, simulator(), name="asleep", episodes=2, advance=advance)
    assert made == total_steps(2) == 2 * 3 * 180
    assert policy.begun == [2] * 9


def test_one_episode_has_no_standard_error() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        evaluate(Always(), simulator(), name="asleep", episodes=1)


def test_batches_follow_each_other_until_there_are_enough_episodes() -> None:
    env = ToyEnv(torch.Generator().manual_seed(0), 2, random_start=False)
    policy = Always(STAY)
    returns = play(env, policy, 5, lambda _: None)
    assert returns.shape == (5,)
    assert policy.begun == [2, 2, 2]


def test_the_variant_and_the_scenario_are_played() -> None:
    done = evaluate(
        Always(), simulator(Variant.LB, load("generated-20")), name="asleep", episodes=2
    ).as_dict()
    assert done["variant"] == "lb"
    assert done["scenario"].startswith("generated-20")


def test_the_command_prints_a_table(tmp_path: Path) -> None:
    path = restore_first(tmp_path / "policy.onnx")
    done = CliRunner().invoke(app, [str(path), "--episodes", "2", "--variant", "repaired"])
    assert done.exit_code == 0, done.output
    head, _, columns, *rows, _, total = done.stdout.splitlines()
    assert head.startswith(str(path))
    assert head.endswith(
        "2 episodes a cell in sluicegate, variant repaired, scenario official, seed 0"
    )
    assert columns.split() == ["steps", *OPPONENTS]
    assert [row.split()[0] for row in rows] == ["30", "50", "100"]
    assert all(row.endswith("-1.00 ± 0.00") for row in (row.rstrip() for row in rows))
    assert total.startswith("total -")
    assert done.stderr == ""


def test_the_command_prints_json(tmp_path: Path) -> None:
    path = always(tmp_path / "policy.onnx")
    done = CliRunner().invoke(app, [str(path), "--episodes", "2", "--seed", "3", "--json"])
    assert done.exit_code == 0, done.output
    direct = evaluate(
        OnnxPolicy(path, FEATURES, ACTIONS), simulator(), name=str(path), episodes=2, seed=3
    )
    assert json.loads(done.stdout) == direct.as_dict()


def test_what_disarming_is_worth_can_be_taken_away(tmp_path: Path) -> None:
    path, base = restore_first(tmp_path / "policy.onnx"), ["--episodes", "20", "--json"]
    given, mended = (
        json.loads(CliRunner().invoke(app, [str(path), *base, *more]).stdout)
        for more in ([], ["--mend-impact"])
    )
    # Sleeping after one Restore: B_line's Impact for some eighty steps, or none at all.
    assert given["total"] - mended["total"] > 500
    assert mended["environment"] == "sluicegate, Impact never disarmed"


@pytest.mark.parametrize("wrong", [["--episodes", "1"], ["--seed", "-1"], ["--variant", "new"]])
def test_bad_usage(tmp_path: Path, wrong: list[str]) -> None:
    path = always(tmp_path / "policy.onnx")
    assert CliRunner().invoke(app, [str(path), *wrong]).exit_code == 2


def test_a_policy_of_another_network_is_refused(tmp_path: Path) -> None:
    path = always(tmp_path / "policy.onnx")
    done = CliRunner().invoke(app, [str(path), "--scenario", "generated-20"])
    assert isinstance(done.exception, PolicyError)
    assert "[batch, 80]" in str(done.exception)
