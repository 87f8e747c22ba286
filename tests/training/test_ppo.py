"""The learner's arithmetic by hand, tasks that it learns, and runs that repeat bit for bit."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import pytest
import torch
from torch import nn

from tests.training.tasks import SYMBOLS, FirstSight, Identity, Recall
from tests.training.toy_env import CELLS, ToyEnv
from training.env_check import check_env
from training.memory import Memory
from training.networks import FlatActorCritic
from training.ppo import PPO, Rollout, advantages, sample
from training.settings import Settings

NO, YES = False, True
QUICK: dict[str, Any] = {
    "num_envs": 16, "rollout": 16, "steps": 256 * 40, "learning_rate": 0.01, "reward_scale": 1.0,
}  # fmt: skip


class Stub(nn.Module):
    """Says the same whatever it sees, but for a value that may be linear in the observation."""

    state_size = 1

    def __init__(self, logits: list[Any], value: list[float], weights: Any = 0.0) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.value = nn.Parameter(torch.tensor(value))
        self.weights = torch.tensor(weights)

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value = (obs * self.weights).sum(1) + self.value
        return self.logits.expand(len(obs), -1), value

    def remember(self, obs: torch.Tensor, state: torch.Tensor, action: Any) -> torch.Tensor:
        return state


def make(
    task: type[Identity] = Identity, memory: type[Memory] = Memory, **changes: Any
) -> tuple[PPO, FlatActorCritic]:
    settings = Settings(**QUICK | changes)
    torch.manual_seed(settings.seed)
    network = FlatActorCritic(memory(task.num_features, task.num_actions), [32])
    env = task(torch.Generator(), settings.num_envs)
    return PPO(env, network, settings), network


def train(ppo: PPO) -> list[dict[str, float]]:
    rows = []
    while ppo.progress < 1:
        rows.append(ppo.iterate())
    return rows


def comparable(rows: list[dict[str, float]]) -> str:
    """Not a number is not equal to itself; its text is."""
    return repr(rows)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def of_rewards(reward: Any, value: Any, ended: Any) -> Rollout:
    none = torch.empty(0)
    return Rollout(
        obs=none, state=none, action=none, log_prob=none,
        reward=torch.tensor(reward), value=torch.tensor(value), ended=torch.tensor(ended),
    )  # fmt: skip


# Three steps, two environments; the second one's episode ends at its second step.
STEPS = of_rewards(
    [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]],
    [[0.5, 0.5], [1.0, 1.0], [1.5, 1.5]],
    [[NO, NO], [NO, YES], [NO, NO]],
)
LAST = torch.tensor([2.0, 4.0])


def check_advantages(gamma: float, gae_lambda: float, expected: list[list[float]]) -> None:
    found = advantages(STEPS, LAST, gamma, gae_lambda)
    torch.testing.assert_close(found, torch.tensor(expected))


def test_advantages_by_hand() -> None:
    # Surprises at gamma 1/2: 1, 1.75, 2.5 and 1, 1 (nothing follows), 3.5; each further one
    # counts a quarter.
    last, cut = 1.75 + 2.5 / 4, 1.0
    check_advantages(0.5, 0.5, [[1 + last / 4, 1 + cut / 4], [last, cut], [2.5, 3.5]])


def test_lambda_zero_is_the_one_step_surprise() -> None:
    check_advantages(0.5, 0.0, [[1.0, 1.0], [1.75, 1.0], [2.5, 3.5]])


def test_lambda_one_is_the_discounted_return_less_the_value() -> None:
    # Returns: 3 + 2/2 = 4, 2 + 4/2 = 4, 1 + 4/2 = 3; and 3 + 4/2 = 5, 2, 1 + 2/2 = 2.
    check_advantages(0.5, 1.0, [[2.5, 1.5], [3.0, 1.0], [2.5, 3.5]])


def test_nothing_leaks_across_an_episodes_end() -> None:
    changed = of_rewards(STEPS.reward.tolist(), STEPS.value.tolist(), STEPS.ended.tolist())
    changed.reward[2], changed.value[2] = 1e6, -1e6
    before = advantages(STEPS, LAST, 0.9, 0.9)
    after = advantages(changed, -1e6 * LAST, 0.9, 0.9)
    assert torch.equal(before[:2, 1], after[:2, 1])
    assert not torch.isclose(before[:2, 0], after[:2, 0]).any()


def loss_of(
    ratios: tuple[float, float] = (1.0, 1.0), *, progress: float = 0.0, **changes: Any
) -> tuple[float, dict[str, float]]:
    """Of two samples with normalised advantages of plus and minus one over the root of two.

    The policy says 1/2, 1/2 and the values are 1 and 2, aiming at 0 and 2 and once 0.8 and 0.
    """
    settings = Settings(**{"steps": 100, "clip": 0.2, "num_envs": 2} | changes)
    stub = Stub([0.0, 0.0], [1.0, 2.0])
    ppo = PPO(Identity(torch.Generator(), 2), stub, settings)  # type: ignore[arg-type]
    ppo.steps_done = int(progress * 100)
    batch = {
        "obs": torch.zeros(2, SYMBOLS), "state": torch.zeros(2, 1),
        "action": torch.tensor([0, 1]), "log_prob": (0.5 / torch.tensor(ratios)).log(),
        "advantage": torch.tensor([8.0, 2.0]),
        "value": torch.tensor([0.8, 0.0]), "target": torch.tensor([0.0, 2.0]),
    }  # fmt: skip
    loss, metrics = ppo.loss(batch)
    return loss.item(), {name: float(value) for name, value in metrics.items()}


@pytest.mark.parametrize(
    ("ratios", "counts", "clipped"),
    [
        ((1.1, 0.9), (1.1, 0.9), 0.0),
        ((1.5, 1.5), (1.2, 1.5), 1.0),  # too far up: counts less where that was good
        ((0.5, 0.5), (0.5, 0.8), 1.0),  # too far down: counts less where that was bad
        ((1.5, 1.1), (1.2, 1.1), 0.5),
    ],
)
def test_policy_loss_by_hand(
    ratios: tuple[float, float], counts: tuple[float, float], clipped: float
) -> None:
    metrics = loss_of(ratios)[1]
    expected = -(counts[0] - counts[1]) / math.sqrt(2) / 2
    assert metrics["policy_loss"] == pytest.approx(expected, abs=1e-6)
    assert metrics["clipped"] == clipped


@pytest.mark.parametrize(("value_clip", "expected"), [(None, (1 + 0) / 2), (0.5, (1 + 2.25) / 2)])
def test_value_loss_by_hand(value_clip: float | None, expected: float) -> None:
    assert loss_of(value_clip=value_clip)[1]["value_loss"] == pytest.approx(expected)


def test_entropy_by_hand() -> None:
    assert loss_of()[1]["entropy"] == pytest.approx(math.log(2))


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 0.4), (0.5, 0.3), (1.0, 0.2)])
def test_the_loss_is_the_weighted_sum(progress: float, weight: float) -> None:
    loss, parts = loss_of(
        (1.1, 0.9), progress=progress, value_weight=0.25, entropy=0.4, entropy_end=0.2
    )
    expected = parts["policy_loss"] + 0.25 * parts["value_loss"] - weight * parts["entropy"]
    assert loss == pytest.approx(expected)


def test_kl_estimate_is_zero_at_ratio_one_and_positive_elsewhere() -> None:
    assert loss_of((1.0, 1.0))[1]["kl"] == 0
    by_hand = (2 - 1 - math.log(2) + 0.5 - 1 + math.log(2)) / 2
    assert loss_of((2.0, 0.5))[1]["kl"] == pytest.approx(by_hand)
    assert loss_of((1.2, 1.2))[1]["kl"] > 0
    assert loss_of((0.8, 0.8))[1]["kl"] > 0


def test_samples_follow_the_softmax_and_never_the_mask() -> None:
    share, count = torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0]), 50_000
    logits = (share.log() + 3).clamp(min=-1e9).expand(count, -1)
    drawn = sample(logits, torch.Generator().manual_seed(3)).bincount(minlength=5)
    assert drawn[4] == 0
    expected = share[:4] * count
    assert float(((drawn[:4] - expected) ** 2 / expected).sum()) < 16.27  # 3 degrees, 0.1 %


def test_the_only_allowed_action_is_drawn() -> None:
    logits = torch.full((1000, 145), -1e9)
    logits[:, 7] = 0.0
    assert (sample(logits, torch.Generator().manual_seed(1)) == 7).all()


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("constant", (1, 1, 1, 1)),
        ("linear", (1, 0.75, 0.5, 0)),
        ("cosine", (1, (1 + math.sqrt(0.5)) / 2, 0.5, 0)),
    ],
)
def test_learning_rate_schedule(schedule: str, shares: tuple[float, ...]) -> None:
    ppo, _ = make(schedule=schedule, learning_rate=0.01, steps=1000)
    for steps, share in zip((0, 250, 500, 1000), shares, strict=True):
        ppo.steps_done = steps
        ppo.iterate()
        assert ppo.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * share, abs=1e-12)


@pytest.mark.parametrize(("target_kl", "passes"), [(None, 5), (1e-6, 1), (1e6, 5)])
def test_passes_stop_at_the_target(target_kl: float | None, passes: int) -> None:
    ppo, _ = make(target_kl=target_kl, epochs=5, minibatches=4, learning_rate=0.05)
    assert ppo.iterate()["updates"] == 4 * passes


def test_every_iteration_trains() -> None:
    ppo, network = make(steps=256 * 2)
    for _ in range(2):
        before = copy.deepcopy(network)
        ppo.iterate()
        assert not same_weights(before, network)


@pytest.mark.filterwarnings("ignore:std")
def test_a_minibatch_of_one_keeps_the_weights_finite() -> None:
    ppo, network = make(num_envs=5, rollout=1, steps=10, minibatches=4)  # parts of 2, 2 and 1
    ppo.iterate()
    assert all(p.isfinite().all() for p in network.parameters())


def rewards_at_the_limit(limit: int, *, limit_is_end: bool) -> torch.Tensor:
    """Rewards of one toy walking right, whose critic says the cell, and ten at the limit."""
    env = ToyEnv(torch.Generator(), 1, limit=limit, slip=0.0, random_start=False)
    weights = [*map(float, range(CELLS)), 10.0]
    stub = Stub([-1e9, 0.0, -1e9], [0.0], weights)
    settings = Settings(
        num_envs=1, rollout=limit, gamma=0.5, reward_scale=2.0, limit_is_end=limit_is_end
    )
    ppo = PPO(env, stub, settings)  # type: ignore[arg-type]
    return ppo.collect()[0].reward[:, 0]


def test_what_is_beyond_the_limit_counts_if_it_is_no_end() -> None:
    # One step to cell 3, at the limit: the ended episode's last observation is worth 13.
    assert rewards_at_the_limit(1, limit_is_end=False).tolist() == [-0.25 + 0.5 * 13]


def test_nothing_is_beyond_a_limit_that_is_an_end() -> None:
    assert rewards_at_the_limit(1, limit_is_end=True).tolist() == [-0.25]


@pytest.mark.parametrize("limit_is_end", [True, False])
def test_nothing_is_beyond_a_termination(limit_is_end: bool) -> None:
    found = rewards_at_the_limit(2, limit_is_end=limit_is_end)
    assert found.tolist() == [-0.25, 2 - 0.25]


def test_return_is_of_the_episodes_that_ended() -> None:
    env = ToyEnv(torch.Generator(), 1, limit=9, slip=0.0, random_start=False)
    stub: Any = Stub([-1e9, 0.0, -1e9], [0.0])
    ppo = PPO(env, stub, Settings(num_envs=1, rollout=3))  # type: ignore[arg-type]
    assert ppo.collect()[2] == pytest.approx(0.75)  # two steps, not scaled; the third is another's
    ppo.settings = Settings(num_envs=1, rollout=1)
    assert ppo.collect()[2] == pytest.approx(0.75)  # the episode began in the rollout before
    assert math.isnan(ppo.collect()[2])


@pytest.mark.parametrize("task", [Identity, Recall])
def test_tasks_keep_the_contract(task: type[Identity]) -> None:
    check_env(task)


def test_the_identity_is_learned() -> None:
    ppo, network = make()
    train(ppo)
    shown = torch.eye(SYMBOLS)
    logits, _ = network(shown, torch.zeros(SYMBOLS, 1))
    assert logits.argmax(1).tolist() == list(range(SYMBOLS))
    assert ppo.iterate()["return"] > 0.95 * 8


def recalled(memory: type[Memory]) -> float:
    """Share of episodes that end well, after training."""
    ppo, _ = make(Recall, memory, num_envs=64, steps=64 * 16 * 40)
    return sum(row["return"] for row in train(ppo)[-5:]) / 5


def test_a_memory_is_used() -> None:
    assert recalled(FirstSight) > 0.95


def test_without_a_memory_nothing_is_recalled() -> None:
    assert 0.15 < recalled(Memory) < 0.35


def test_the_same_seed_makes_the_same_run() -> None:
    (one, network), (other, twin) = make(Recall, FirstSight), make(Recall, FirstSight)
    assert comparable(train(one)) == comparable(train(other))
    assert same_weights(network, twin)


def test_another_seed_makes_another_run() -> None:
    (one, network), (other, twin) = make(steps=512), make(steps=512, seed=2)
    assert comparable(train(one)) != comparable(train(other))
    assert not same_weights(network, twin)


def test_training_draws_from_the_playgrounds_generator_only() -> None:
    (one, network), (other, twin) = make(steps=512), make(steps=512)
    train(one)
    torch.manual_seed(99)
    train(other)
    assert same_weights(network, twin)


@pytest.mark.parametrize("task", [Identity, Recall])
@pytest.mark.parametrize("rollout", [8, 5])
def test_a_run_goes_on_bit_for_bit(task: type[Identity], rollout: int) -> None:
    changes = {"rollout": rollout, "steps": 16 * rollout * 8}
    (whole, network), (first, _), (second, twin) = (
        make(task, FirstSight, **changes) for _ in range(3)
    )
    rows = [first.iterate() for _ in range(3)]
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert comparable(rows + train(second)) == comparable(train(whole))
    assert same_weights(network, twin)
