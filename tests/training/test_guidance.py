"""Mask, auxiliary loss and fading by hand and by algebra; and a run that is guided."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.tasks import SYMBOLS, Identity
from training.guidance import (
    TeacherGuide,
    correction,
    divergence,
    faded,
    mask,
    masked,
    overlap,
    soften,
)
from training.memory import Memory
from training.networks import FlatActorCritic
from training.ppo import PPO
from training.settings import Guidance, Settings
from training.teacher.teacher import StateText

KINDS = ("forward", "reverse", "jensen-shannon", "argmax")
ALL = torch.ones(1, 3, dtype=torch.bool)


def rows(*values: Sequence[float]) -> torch.Tensor:
    return torch.tensor(values)


@st.composite
def distributions(draw: st.DrawFn, count: int = 2, *, least: float = 0.0) -> torch.Tensor:
    """``count`` distributions over the same three to eight actions, float64."""
    size = draw(st.integers(3, 8))
    numbers = st.floats(least, 1.0, allow_subnormal=False)
    raw = draw(st.lists(numbers, min_size=count * size, max_size=count * size))
    table = torch.tensor(raw, dtype=torch.float64).view(count, size)
    table[:, 0] += 0.01
    return table / table.sum(1, keepdim=True)


def test_temperature_by_hand() -> None:
    advice = rows([0.64, 0.16, 0.2])
    torch.testing.assert_close(
        soften(advice, ALL, 2.0, 0.0), rows([0.8, 0.4, math.sqrt(0.2)]) / (1.2 + math.sqrt(0.2))
    )
    torch.testing.assert_close(soften(advice, ALL, 1.0, 0.0), advice)


def test_smoothing_by_hand() -> None:
    found = soften(rows([1.0, 0.0, 0.0]), ALL, 1.0, 0.3)
    torch.testing.assert_close(found, rows([0.8, 0.1, 0.1]))


def test_what_is_not_allowed_is_not_advised() -> None:
    allowed = torch.tensor([[True, False, True]])
    torch.testing.assert_close(
        soften(rows([0.2, 0.6, 0.2]), allowed, 1.0, 0.5), rows([0.5, 0.0, 0.5])
    )
    torch.testing.assert_close(
        soften(rows([0.0, 1.0, 0.0]), allowed, 3.0, 0.0), rows([0.5, 0.0, 0.5])
    )


def test_mask_by_hand() -> None:
    advice = rows([0.5, 0.25, 0.25, 0.0])
    assert mask(advice, 1.0).tolist() == [[1.0, 0.5, 0.5, 0.0]]
    assert mask(advice, 0.5).tolist() == [[1.0, 0.75, 0.75, 0.5]]
    assert mask(advice, 0.0).tolist() == [[1.0] * 4]


def test_a_single_recommendation_is_the_released_codes_mask() -> None:
    one = rows([0.0, 1.0, 0.0])
    policy = rows([0.6, 0.1, 0.3])
    found = masked(policy.log(), mask(one, 0.75)).exp()
    kept = rows([0.6 * 0.25, 0.1, 0.3 * 0.25])
    torch.testing.assert_close(found, kept / kept.sum())
    assert masked(policy.log(), mask(one, 1.0)).exp().tolist() == [[0.0, 1.0, 0.0]]


@given(distributions())
def test_no_mask_leaves_the_policy(pair: torch.Tensor) -> None:
    policy, advice = pair.clamp(min=1e-9).split(1)
    torch.testing.assert_close(masked(policy.log(), mask(advice, 0.0)), policy.log().log_softmax(1))


@given(distributions(least=0.01), st.floats(0, 1))
def test_the_correction_restores_the_policys_averages(pair: torch.Tensor, strength: float) -> None:
    """Sum over a of b(a) w(a) f(a) = sum of pi(a) f(a), for every f: so for every ratio."""
    policy, advice = pair.split(1)
    behaviour = masked(policy.log(), mask(advice, strength))
    actions = torch.arange(policy.shape[1])
    weights = correction(
        policy.log().expand(len(actions), -1), behaviour.expand(len(actions), -1), actions
    )
    torch.testing.assert_close(behaviour.exp()[0] * weights, policy[0])


def test_divergences_by_hand() -> None:
    advice, policy = rows([0.5, 0.5, 0.0]), rows([0.25, 0.5, 0.25])
    forward = 0.5 * math.log(2)
    reverse = 0.25 * math.log(0.5) + 0.25 * math.log(0.25 / 1e-6)
    mean = (0.375, 0.5, 0.125)
    shannon = 0.5 * (0.5 * math.log(0.5 / mean[0])) + 0.5 * (
        0.25 * math.log(0.25 / mean[0]) + 0.25 * math.log(2)
    )
    expected = (forward, reverse, shannon, -math.log(0.25))
    for kind, value in zip(KINDS, expected, strict=True):
        assert float(divergence(kind, advice, policy.log())) == pytest.approx(value, rel=1e-5)


@given(distributions(least=0.01))
def test_divergences_are_zero_at_equality_only(pair: torch.Tensor) -> None:
    advice, policy = pair.split(1)
    for kind in KINDS[:3]:
        assert float(divergence(kind, advice, advice.log())) == pytest.approx(0, abs=1e-9)
        assert float(divergence(kind, advice, policy.log())) >= -1e-12
    assert float(divergence(KINDS[2], advice, policy.log())) <= math.log(2)


@pytest.mark.parametrize("kind", KINDS)
def test_an_action_that_a_network_masks_leaves_loss_and_gradient_finite(kind: str) -> None:
    logits = torch.tensor([[0.3, -0.2, -1e9]], requires_grad=True)
    loss = divergence(kind, rows([0.9, 0.1, 0.0]), logits.log_softmax(1)).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_going_down_the_gradient_reaches_the_teacher(kind: str) -> None:
    advice = rows([0.7, 0.2, 0.1])
    logits = torch.zeros(1, 3, requires_grad=True)
    optimizer = torch.optim.Adam([logits], 0.05)
    for _ in range(300):
        optimizer.zero_grad()
        divergence(kind, advice, logits.log_softmax(1)).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = logits.softmax(1)
    if kind == "argmax":  # the paper's first form makes a policy sure of one action
        assert float(found.detach()[0, 0]) > 0.99
    else:
        torch.testing.assert_close(found, advice, atol=0.01, rtol=0)


def test_overlap_by_hand() -> None:
    found = overlap(rows([0.5, 0.5, 0.0], [1.0, 0.0, 0.0]), rows([0.2, 0.5, 0.3]).log())
    torch.testing.assert_close(found, torch.tensor([0.7, 0.2]))


def left(episodes: int, agreement: float = 0.0, before: float = 1.0, **changes: Any) -> float:
    return faded(Guidance(**changes), episodes, agreement, before)


def test_the_papers_schedule() -> None:
    steps = {0: 1, 31: 1, 32: 0.75, 39: 0.75, 40: 0.5, 48: 0.25, 55: 0.25, 56: 0, 10_000: 0}
    assert {n: left(n) for n in steps} == steps


def test_a_tenth_a_step_ends_after_ten() -> None:
    assert [left(32 + 8 * n, decay=0.1) for n in range(11)] == [
        0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0,
    ]  # fmt: skip


@pytest.mark.parametrize(("fade", "half"), [("linear", 0.75), ("cosine", (1 + 0.5**0.5) / 2)])
def test_smooth_fading_by_hand(fade: str, half: float) -> None:
    points = {31: 1.0, 32: 1.0, 40: half, 48: 0.5, 64: 0.0, 900: 0.0}
    for episodes, expected in points.items():
        assert left(episodes, fade=fade) == pytest.approx(expected)


def test_fading_by_agreement() -> None:
    by = {"fade": "agreement", "agreed": 0.8, "guided_at_most": 100}
    assert left(31, 0.9, **by) == 1
    assert left(40, 0.2, **by) == pytest.approx(0.75)
    assert left(40, 0.2, before=0.5, **by) == 0.5  # what is gone is gone
    assert left(40, 0.85, **by) == 0
    assert left(100, 0.0, **by) == 0


class Knows:
    """Says the symbol that is shown, or the one after it."""

    def __init__(self, shift: int = 0, sure: float = 0.9) -> None:
        self.shift, self.sure, self.asked = shift, sure, 0

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        self.asked += len(states)
        right = torch.tensor([int(s.facts["symbol"]) + self.shift for s in states]) % SYMBOLS
        advice = torch.full((len(states), SYMBOLS), (1 - self.sure) / (SYMBOLS - 1))
        return advice.scatter(1, right[:, None], self.sure)


def guided(teacher: Knows, changes: dict[str, Any] | None = None, **guidance: Any) -> PPO:
    """Iterations of 16 episodes of 8 steps; the paper's schedule ends after the fourth."""
    asked = {"num_envs": 16, "rollout": 8, "steps": 128 * 40, "learning_rate": 0.01}
    settings = Settings(**asked | {"reward_scale": 1.0} | (changes or {}))
    torch.manual_seed(1)
    network = FlatActorCritic(Memory(SYMBOLS, SYMBOLS), [32])
    guide = TeacherGuide(teacher, Guidance(**guidance))
    return PPO(Identity(torch.Generator(), 16), network, settings, guide)


def test_a_full_mask_plays_what_the_teacher_says() -> None:
    ppo = guided(Knows(sure=1.0))
    assert ppo.iterate()["return"] == 8
    assert guided(Knows(shift=1, sure=1.0)).iterate()["return"] == 0


def test_what_is_stored_is_the_policys_own_probability() -> None:
    ppo = guided(Knows(sure=1.0), correction=True)
    rollout, _, _ = ppo.collect()
    with torch.no_grad():
        alone = ppo.network(rollout.obs.flatten(0, 1), rollout.state.flatten(0, 1))[0]
    chosen = alone.log_softmax(1).gather(1, rollout.action.flatten()[:, None])[:, 0]
    torch.testing.assert_close(rollout.log_prob.flatten(), chosen)
    assert rollout.weight is not None  # the behaviour was sure, so policy over behaviour is policy
    torch.testing.assert_close(rollout.weight.flatten(), chosen.exp())


def test_the_loss_mixes_in_the_divergence() -> None:
    ppo = guided(Knows(), auxiliary=0.25, divergence="reverse")
    rollout, _, _ = ppo.collect()
    batch = rollout.flat()
    batch |= {"advantage": batch["reward"], "target": batch["reward"]}
    loss, parts = ppo.loss(batch)
    log_probs = ppo.network(batch["obs"], batch["state"])[0].log_softmax(1)
    far = divergence("reverse", batch["advice"], log_probs).mean()
    own = parts["policy_loss"] - 0.01 * parts["entropy"]
    torch.testing.assert_close(loss, 0.75 * own + 0.25 * far + 0.5 * parts["value_loss"])


def test_a_weight_multiplies_a_samples_part() -> None:
    ppo = guided(Knows(), auxiliary=0.0)
    rollout, _, _ = ppo.collect()
    batch = rollout.flat()
    batch |= {"advantage": batch["reward"], "target": batch["reward"]}
    plain = ppo.loss(batch)[1]["policy_loss"]
    tripled = ppo.loss(batch | {"weight": torch.full_like(batch["reward"], 3.0)})[1]["policy_loss"]
    torch.testing.assert_close(tripled, 3 * plain)


def test_the_teacher_is_asked_while_it_guides_then_seldom() -> None:
    teacher = Knows()
    ppo = guided(teacher)
    asked = []
    for _ in range(12):
        before = teacher.asked
        row = ppo.iterate()
        asked.append(teacher.asked - before)
        assert row["asked"] == teacher.asked
    # Rollouts begin after 0, 16, 32, 48, 64 episodes; the tenth looks four times at eight.
    assert asked == [128, 128, 128, 128, 0, 0, 0, 0, 0, 32, 0, 0]
    assert (row["mask"], row["auxiliary"]) == (0, 0)
    assert math.isnan(row["agreement"])


def test_the_weights_and_the_entropy_follow_the_schedule() -> None:
    ppo = guided(Knows(), {"entropy": 0.01, "entropy_end": 0.01}, mask=0.5)
    seen = []
    for _ in range(5):
        row = ppo.iterate()
        seen.append((row["mask"], row["auxiliary"], round(ppo._entropy_weight() - 0.01, 9)))
    steps = [(0.5, 1, 0), (0.5, 1, 0), (0.375, 0.75, 0.0005), (0.125, 0.25, 0.0015), (0, 0, 0.002)]
    assert seen == steps


def test_the_auxiliary_loss_teaches_without_reward() -> None:
    ppo = guided(Knows(), {"reward_scale": 1e-9}, full_until=1000, mask=0.0)
    agreements = [ppo.iterate()["agreement"] for _ in range(20)]
    assert agreements[0] < 0.5
    assert agreements[-1] > 0.9


def test_a_wrong_teacher_is_outgrown() -> None:
    ppo = guided(Knows(shift=1))
    early = ppo.iterate()["return"]
    while ppo.progress < 1:
        row = ppo.iterate()
    assert early < 2
    assert row["return"] > 7


def test_a_guide_without_a_say_changes_nothing() -> None:
    ppo = guided(Knows(), mask=0.0, auxiliary=0.0, entropy_rise=0.0)
    other = guided(Knows())
    other.guide = None
    for _ in range(3):
        ppo.iterate()
        other.iterate()
    pairs = zip(ppo.network.parameters(), other.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("cut", [1, 3, 9])
def test_a_guided_run_goes_on_bit_for_bit(cut: int) -> None:
    whole, first, second = (guided(Knows(), fade="agreement", agreed=0.9) for _ in range(3))
    for _ in range(cut):
        first.iterate()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    rows = [repr(whole.iterate()) for _ in range(12)]
    assert rows[cut:] == [repr(second.iterate()) for _ in range(12 - cut)]
