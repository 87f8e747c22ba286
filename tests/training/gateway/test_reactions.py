"""What users and attackers do about rules: by hand, one by one, and as simulated."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent.decision import Verdict
from tests.training.gateway.by_hand import BENIGN, MALICIOUS, UNKNOWN, recording
from training.gateway.env import Gateway
from training.gateway.reactions import Reactions
from training.gateway.recording import Recording
from training.gateway.rewards import COMPONENTS, Rewards
from training.gateway.surroundings import Surroundings
from training.gateway.tape import Tape

PRICE = Rewards().stop_legitimate
PATIENT = Surroundings.still().model_copy(update={"retries": 1, "retry_after_s": 5})
AT_ONCE = {"leaves": 1, "leaves_after_s": 1e-9}


def _env(made: Recording, world: Surroundings, count: int = 1) -> Gateway:
    return Gateway(
        count,
        torch.Generator().manual_seed(1),
        Tape([made], torch.device("cpu")),
        rewards=Rewards(),
        surroundings=world,
        window=len(made.time_ns),
    )


def _totals(made: Recording, world: Surroundings, verdict: Verdict) -> dict[str, float]:
    """What a policy that always says the same earns."""
    env = _env(made, world)
    totals, ended = dict.fromkeys(COMPONENTS, 0.0), False
    while not ended:
        _, _, _, truncated, info = env.step(torch.tensor([int(verdict)]))
        totals = {name: totals[name] + float(info[name]) for name in COMPONENTS}
        ended = bool(truncated)
    return totals


def _blocked(*flows: tuple[float, int, int], world: Surroundings = PATIENT) -> float:
    return _totals(recording(flows), world, Verdict.BLOCK)["stop_legitimate"]


def test_a_user_tries_again_while_the_rule_lasts() -> None:
    """A rule lasts 60 s; who tries once more in the mean is at it exp(-t / 10 s) of the time."""
    first, later = 2 - exp(-60 / 10), 2 - exp(-20 / 10)
    assert _blocked((0, BENIGN, 0)) == pytest.approx(PRICE * first)
    # The second flow is stopped at 40 s; the third one by the rule that it brings about.
    flows = (0, BENIGN, 0), (40, BENIGN, 0), (100, BENIGN, 0)
    third = 2 - exp(-600 / 10)
    assert _blocked(*flows) == pytest.approx(PRICE * (first + later + third))


def test_a_flow_in_the_tick_of_its_rule_is_tried_again_too() -> None:
    both = (0, BENIGN, 0), (0.5, BENIGN, 0)
    assert _blocked(*both) == pytest.approx(PRICE * (4 - exp(-60 / 10) - exp(-59.5 / 10)))


def test_only_users_try_again() -> None:
    flows = [(n, label, 0) for n, label in enumerate([MALICIOUS, UNKNOWN, MALICIOUS, UNKNOWN])]
    world = PATIENT.model_copy(update=AT_ONCE)
    assert _totals(recording(flows), world, Verdict.BLOCK) == {
        **dict.fromkeys(COMPONENTS, 0),
        "stop_malicious": 2 * Rewards().stop_malicious,
    }


@pytest.mark.parametrize("verdict", [Verdict.ALLOW, Verdict.THROTTLE])
def test_nobody_reacts_where_nothing_is_stopped(verdict: Verdict) -> None:
    flows = [(n, BENIGN, 0) for n in range(5)]
    world = PATIENT.model_copy(update=AT_ONCE)
    assert not any(_totals(recording(flows), world, verdict).values())


@pytest.mark.parametrize(("mean", "apart", "lasts"), [(0.5, 5, 4), (1, 5, 60), (3, 2, 10)])
def test_the_mean_of_tries_is_what_simulated_users_do(
    mean: float, apart: float, lasts: float
) -> None:
    dice = np.random.default_rng(1)
    users, most = 100_000, 60
    tries = dice.geometric(1 / (1 + mean), users) - 1
    when = dice.exponential(apart, (users, most)).cumsum(1)
    wanted = ((when < lasts) & (np.arange(most) < tries[:, None])).sum(1).mean()
    world = PATIENT.model_copy(update={"retries": mean, "retry_after_s": apart})
    reactions = Reactions(1, 1, world, torch.Generator())
    one = torch.zeros(1, 1, dtype=torch.int64)
    until = torch.full((1, 1), float(lasts), dtype=torch.float64)
    found = reactions.tries(one == 0, one, torch.zeros_like(until), until, one).item()
    assert found == pytest.approx(1 + wanted, abs=0.02)


@pytest.mark.parametrize("count", [2, 10, 200])
def test_a_user_who_leaves_costs_one_more_and_then_nothing(count: int) -> None:
    """Who leaves at once does not try again, and is missed once, however many flows that are."""
    world = PATIENT.model_copy(update=AT_ONCE)
    flows = [(n * 0.2 + 2 * (n > 0), BENIGN, 0) for n in range(count)]
    assert _blocked(*flows, world=world) == pytest.approx(2 * PRICE)
    assert _blocked(*flows[:1], world=world) == pytest.approx(PRICE)


def test_users_leave_by_rule() -> None:
    """Once for each service's rule, and once more for the next rule on a service."""
    world = PATIENT.model_copy(update=AT_ONCE)
    two = [(0.5 * n, BENIGN, n % 2) for n in range(40)]
    assert _blocked(*two, world=world) == pytest.approx(4 * PRICE)
    again = [(100 + time, *rest) for time, *rest in two]
    assert _blocked(*two, *again, world=world) == pytest.approx(8 * PRICE)


def test_users_stay_for_a_while() -> None:
    """A flow a second for a minute: the n-th still comes with chance exp(-n / 20), of a half."""
    half = Surroundings.still().model_copy(update={"leaves": 0.5, "leaves_after_s": 20.0})
    env = _env(recording([(float(n), BENIGN, 0) for n in range(60)]), half, 4000)
    info = env.step(torch.full((4000,), int(Verdict.BLOCK)))[-1]
    leaving = sum(exp(-n / 20) for n in range(60)) + 1 - exp(-59 / 20)
    found = info["stop_legitimate"].mean().item()
    assert found == pytest.approx(PRICE * (60 + leaving) / 2, rel=0.03)


_FLOWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 100), st.booleans()), min_size=1, max_size=16
)


@given(_FLOWS, st.lists(st.one_of(st.just(float("inf")), st.integers(0, 100)), min_size=4))
def test_missed_users_count_once_for_each_rule(
    flows: list[tuple[int, int, bool]], left: list[float]
) -> None:
    """Against a loop over the flows, called for a part of them at a time."""
    flows = sorted(flows, key=lambda flow: flow[1])
    wanted, missed = 0, set()
    for rule, time, stopped in flows:
        if stopped and time < left[rule]:
            wanted += 1
        elif stopped and rule not in missed:
            wanted += 1
            missed.add(rule)
    reactions = Reactions(1, 4, Surroundings.still(), torch.Generator())
    reactions.left[0, :4] = torch.tensor(left[:4], dtype=torch.float64)
    found = 0.0
    points = torch.arange(len(flows))[None]
    for part in (slice(0, 5), slice(5, None)):
        if flows[part]:
            columns = zip(*flows[part], strict=True)
            rule, time, stopped = (torch.tensor([column]) for column in columns)
            until = torch.full(time.shape, 200.0, dtype=torch.float64)
            found += reactions.tries(stopped, rule, time.double(), until, points[:, part]).item()
    assert found == wanted


def test_what_was_drawn_is_kept_and_put_back() -> None:
    world = Surroundings(moves=1, gives_up=1, leaves=1)
    one, other = (Reactions(2, 3, world, torch.Generator().manual_seed(1)) for _ in range(2))
    one.draw(torch.tensor([0, 3]), torch.zeros(2, dtype=torch.float64))
    other.load_state_dict(one.state_dict())
    for table in (other.moved, other.gone, other.left):
        assert table.isfinite().nonzero().tolist() == [[0, 0]]
    one.reset(torch.tensor([0]))
    assert one.left.isinf().all()
    assert other.left.isfinite().any()
