"""Teachers that err on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
import torch

from training.teacher.flawed import RandomTeacher, WrongTeacher, derangement, digest
from training.teacher.teacher import StateText

ACTIONS = ("wait", "look", "act", "leave")
MANY = [StateText({"step": float(i), "cost": 0.1}, (), ACTIONS) for i in range(4000)]


class Certain:
    """Always advises the first action most."""

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        return torch.tensor([[0.7, 0.2, 0.1, 0.0]]).repeat(len(states), 1)


def test_random_advice_is_a_distribution_for_each_state() -> None:
    given = RandomTeacher(0).distribution(MANY)
    assert given.dtype == torch.float32
    assert given.min() >= 0
    torch.testing.assert_close(given.sum(1), torch.ones(len(MANY)))
    assert len(given.unique(dim=0)) == len(MANY)


def test_random_advice_is_uniform_among_distributions() -> None:
    given = RandomTeacher(0).distribution(MANY)
    # Dirichlet(1, 1, 1, 1): mean 1/4, variance 3/80.
    torch.testing.assert_close(given.mean(0), torch.full((4,), 0.25), atol=0.02, rtol=0)
    torch.testing.assert_close(given.var(0), torch.full((4,), 3 / 80), atol=0.004, rtol=0)


def test_random_advice_depends_on_facts_and_seed_alone() -> None:
    turned = [StateText(dict(reversed(s.facts.items())), ("words",), ACTIONS) for s in MANY[:5]]
    given = RandomTeacher(1).distribution(MANY[:5])
    assert torch.equal(given, RandomTeacher(1).distribution(turned))
    assert torch.equal(given[3:4], RandomTeacher(1).distribution(turned[3:4]))
    assert not torch.equal(given, RandomTeacher(2).distribution(MANY[:5]))


def test_no_process_gives_another_number() -> None:
    state = StateText({"step": 2.0, "cost": 0.1}, (), ACTIONS)
    code = (
        "from training.teacher.flawed import digest;"
        "from training.teacher.teacher import StateText;"
        "print(digest(StateText({'step': 2.0, 'cost': 0.1}, (), ()), 'wrong', 3))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert int(told.stdout) == digest(state, "wrong", 3)


def test_a_share_of_the_states_gets_wrong_advice() -> None:
    given = WrongTeacher(Certain(), 0.3, seed=1).distribution(MANY)
    wrong = given.argmax(1) != 0
    assert wrong.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(given[~wrong], Certain().distribution(MANY)[~wrong])


def test_wrong_advice_is_the_same_of_other_actions() -> None:
    (row,) = WrongTeacher(Certain(), 1.0, seed=1).distribution(MANY).unique(dim=0)
    assert sorted(row.tolist()) == pytest.approx([0.0, 0.1, 0.2, 0.7])
    assert all(a != b for a, b in zip(row.tolist(), [0.7, 0.2, 0.1, 0.0], strict=True))


def test_the_states_with_wrong_advice_are_the_seeds() -> None:
    first, again, other = (
        [WrongTeacher(Certain(), 0.5, seed).errs(state) for state in MANY] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_without_a_share_nothing_is_wrong() -> None:
    given = WrongTeacher(Certain(), 0.0).distribution(MANY)
    assert torch.equal(given, Certain().distribution(MANY))


def test_more_wrong_states_contain_the_fewer() -> None:
    few, many = WrongTeacher(Certain(), 0.2), WrongTeacher(Certain(), 0.6)
    assert all(many.errs(state) for state in MANY if few.errs(state))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_0_and_1(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        WrongTeacher(Certain(), share)


@pytest.mark.parametrize("size", [2, 3, 145])
def test_a_derangement_is_one_cycle(size: int) -> None:
    places, at = derangement(size, 4).tolist(), 0
    seen = {at := places[at] for _ in range(size)}
    assert len(seen) == size
    assert all(place != i for i, place in enumerate(places))


def test_one_action_cannot_be_mistaken() -> None:
    with pytest.raises(ValueError, match="1 actions"):
        derangement(1, 0)
