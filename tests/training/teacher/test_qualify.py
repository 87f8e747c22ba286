"""The examination, sat by teachers whose marks are known beforehand."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from tests.training.teacher.passages import passage
from training.cage2.brief import BRIEF
from training.teacher import qualify
from training.teacher.cases import Case, read_cases
from training.teacher.impartial import Impartial
from training.teacher.playbook.passages import Passage
from training.teacher.playbook.reader import PassageTeacher
from training.teacher.playbook.rule import parse
from training.teacher.playgrounds import WORTH, passages_of
from training.teacher.prompt import Brief
from training.teacher.qualify import FLIPS, Asking, Result, examine, flips
from training.teacher.question import labels
from training.teacher.teacher import StateText

SHIPPED = read_cases()
NOTHING_BEST = sum(case.best == case.actions[:1] for case in SHIPPED) / len(SHIPPED)
Weigh = Callable[[StateText], Sequence[float]]


class Reader:
    """Follows the passages in its prompt, and remembers what it answered until told to forget."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking
        self.answered: dict[tuple[tuple[str, ...], tuple[str, ...]], torch.Tensor] = {}
        self.remembered: list[bool] = []  # of each answer, whether it was

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        return torch.stack([self._row(state) for state in states])

    def _row(self, state: StateText) -> torch.Tensor:
        key = (state.lines, state.actions)
        self.remembered.append(key in self.answered)
        if key not in self.answered:
            said = self.asking(state, 0).user.splitlines()
            rules = [parse(line) for line in said if line.startswith(" ")]
            self.answered[key] = PassageTeacher(rules).distribution([state])[0]
        return self.answered[key]

    def forget(self) -> None:
        self.answered.clear()


class Reciter:
    """Knows the shipped passages by heart, whatever its prompt says."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        pages = passages_of(self.asking.prompt.brief)
        teacher = PassageTeacher([rule for page in pages for rule in page.rules])
        return teacher.distribution(states)

    def forget(self) -> None:
        """Nothing was kept."""


class Says:
    """Gives actions the weights that a function of the state says."""

    def __init__(self, weigh: Weigh) -> None:
        self.weigh = weigh

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        rows = torch.tensor([[*map(float, self.weigh(state))] for state in states])
        return rows / rows.sum(1, keepdim=True)

    def forget(self) -> None:
        """Nothing was kept."""


def test_one_that_reads_its_prompt_passes_without_fault() -> None:
    asking = Asking()
    found = examine(Reader(asking), asking, SHIPPED)
    assert (found.top1, found.top3, found.flip_rate) == (1, 1, 1)
    assert max(found.permutation_tv, found.order_tv, found.size_tv) < 1e-6
    assert found.without_passages_top1 == pytest.approx(NOTHING_BEST)
    assert (found.cases, found.flips) == (len(SHIPPED), FLIPS)


@pytest.mark.parametrize("kind", [Reader, Reciter])
def test_asked_impartially_one_that_was_impartial_stays_so(
    kind: type[Reader] | type[Reciter],
) -> None:
    asking = Asking()
    found = examine(Impartial(kind(asking), WORTH), asking, SHIPPED)
    assert (found.top1, found.top3) == (1, 1)
    assert max(found.permutation_tv, found.order_tv) < 1e-6


def test_asked_impartially_none_is_partial() -> None:
    cases = [case for case in SHIPPED if case.brief.on_hosts][::3]
    asking, first = Asking(), prefers(lambda state: state.lines[0].split()[0])
    alone = examine(Says(first), asking, cases)
    assert min(alone.permutation_tv, alone.order_tv) > 0.05
    found = examine(Impartial(Says(first), WORTH), asking, cases)
    assert max(found.permutation_tv, found.order_tv) < 1e-6


def test_one_that_recites_is_found_out_by_changed_and_by_missing_passages() -> None:
    asking = Asking()
    found = examine(Reciter(asking), asking, SHIPPED)
    assert (found.top1, found.top3, found.flip_rate) == (1, 1, 0)
    assert found.without_passages_top1 == 1
    assert found.kl == pytest.approx(0, abs=1e-6)
    assert found.calibration == pytest.approx(0, abs=1e-6)


# Weights of what the book prescribes for TAKEN: restore host1 75, remove host1 25, restore host2 1,
# and sleep 0.1; of IDLE's: all to sleep.
BOOK = [passage("must restore or remove if vital and accessed"), passage("may restore if costly")]
ONE, TWO = "host1 vital accessed", "host2 costly"


def case(lines: Sequence[str], *best: str) -> Case:
    hosts = [line.split()[0] for line in lines]
    return Case(BRIEF, tuple(lines), labels(BRIEF.kinds, hosts), best)


TAKEN, IDLE = case([ONE, TWO], "restore host1"), case(["host1 core"], "sleep")


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> list[Passage]:
    """The playbook, of two rules."""

    def pages(brief: Brief) -> list[Passage]:
        assert brief == BRIEF
        return BOOK

    monkeypatch.setattr(qualify, "passages_of", pages)
    return BOOK


def sat(weigh: Weigh, cases: Sequence[Case], seed: int = 0) -> Result:
    return examine(Says(weigh), Asking(), cases, seed=seed)


def advises(**weights: float) -> Weigh:
    """By action, "restore_host1"; nothing to the others."""
    return lambda state: [weights.get(action.replace(" ", "_"), 0.0) for action in state.actions]


@pytest.mark.usefixtures("book")
def test_divergence_and_calibration_of_indifference_by_hand() -> None:
    found = sat(lambda state: [1] * len(state.actions), [TAKEN])
    wanted = [part / 101.1 for part in (0.1, 25, 75, 1)]
    assert found.kl == pytest.approx(sum(p * math.log(9 * p) for p in wanted), rel=1e-5)
    assert found.calibration == pytest.approx(75 / 101.1 - 1 / 9, rel=1e-5)
    both = sat(lambda state: [1] * len(state.actions), [TAKEN, IDLE])
    assert both.kl == pytest.approx((found.kl + math.log(5)) / 2, rel=1e-5)
    assert both.calibration == pytest.approx((found.calibration + 4 / 5) / 2, rel=1e-5)


@pytest.mark.usefixtures("book")
def test_what_an_answer_rules_out_counts_as_one_in_a_billion() -> None:
    found = sat(advises(sleep=1), [TAKEN])
    ruled_out = [part / 101.1 for part in (25, 75, 1)]
    by_hand = sum(p * math.log(p / 1e-9) for p in ruled_out) + 0.1 / 101.1 * math.log(0.1 / 101.1)
    assert found.kl == pytest.approx(by_hand, rel=1e-5)
    assert found.calibration == pytest.approx(75 / 101.1, rel=1e-5)


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize(
    ("weights", "top1", "top3"),
    [
        ({"restore_host1": 5, "sleep": 4, "remove_host1": 3, "restore_host2": 2}, 1 / 2, 1),
        ({"restore_host1": 4, "sleep": 5, "remove_host1": 3, "restore_host2": 2}, 1 / 2, 1),
        ({"restore_host1": 3, "sleep": 2, "remove_host1": 5, "restore_host2": 4}, 0, 1),
        (
            {
                "remove_host1": 5,
                "restore_host2": 4,
                "decoy_host2": 3,
                "restore_host1": 2,
                "sleep": 1,
            },
            0,
            1 / 2,
        ),
        (
            {
                "remove_host1": 5,
                "restore_host2": 4,
                "decoy_host1": 3,
                "restore_host1": 2,
                "sleep": 1,
            },
            0,
            0,
        ),
    ],
)
def test_the_best_actions_rank_by_hand(weights: dict[str, float], top1: float, top3: float) -> None:
    found = sat(advises(**weights), [TAKEN, IDLE])
    assert (found.top1, found.top3) == (top1, top3)


@pytest.mark.usefixtures("book")
def test_one_of_several_best_actions_is_enough() -> None:
    both = case([ONE, "host2 vital accessed"], "restore host1", "restore host2")
    found = sat(advises(restore_host2=0.75, remove_host1=0.25), [both])
    assert (found.top1, found.top3) == (1, 1)
    assert found.calibration == pytest.approx(abs(150 / 200.1 - 0.75), abs=1e-6)


def prefers(host: Callable[[StateText], str]) -> Weigh:
    """To remove one host, seven tenths, or else the other."""

    def weigh(state: StateText) -> Sequence[float]:
        likely = f"remove {host(state)}"
        return [
            0.7 if action == likely else 0.3 if action.startswith("remove") else 0.0
            for action in state.actions
        ]

    return weigh


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize(
    ("host", "permuted", "reordered"),
    [
        (lambda state: state.lines[0].split()[0], {0, 0.4}, {0, 0.4}),  # the place of the line
        (lambda state: "host1", {0, 0.4}, {0}),  # the label
        (lambda state: next(s.split()[0] for s in state.lines if "vital" in s), {0}, {0}),
    ],
    ids=["place", "label", "words"],
)
def test_what_advice_hangs_on_by_hand(
    host: Callable[[StateText], str], permuted: set[float], reordered: set[float]
) -> None:
    # Two hosts change places or do not; in ten permutations, both happen.
    found = [sat(prefers(host), [TAKEN], seed) for seed in range(10)]
    assert {round(result.permutation_tv, 6) for result in found} == permuted
    assert {round(result.order_tv, 6) for result in found} == reordered


@pytest.mark.usefixtures("book")
def test_advice_that_is_spread_over_all_hosts_goes_to_those_that_are_added() -> None:
    # 2 of 9 hosts keep what all had, so 7/9 goes elsewhere.
    found = sat(lambda state: [action.startswith("remove") for action in state.actions], [TAKEN])
    assert found.size_tv == pytest.approx(7 / 9, rel=1e-5)
    half = sat(
        lambda state: [
            action.startswith("remove") / len(state.lines) + (action == "sleep")
            for action in state.actions
        ],
        [TAKEN],
    )
    assert half.size_tv == pytest.approx(7 / 18, rel=1e-5)


@pytest.mark.usefixtures("book")
def test_flips_by_hand() -> None:
    # Nothing is to be done in IDLE, so no rule can be changed for it.
    for seed in range(5):
        ((found, pages),) = flips([IDLE, TAKEN], random.Random(seed))
        (other,) = pages[0].rules[0].kinds
        assert other in ("analyse", "decoy")
        assert found == replace(TAKEN, best=(f"{other} host1",))
        assert pages == [passage(f"must {other} if vital and accessed"), BOOK[1]]


def test_of_shipped_cases_one_rule_is_changed_and_with_it_what_is_best() -> None:
    found = flips(SHIPPED, random.Random(1))
    before = {(case.brief.name, case.lines): case for case in SHIPPED}
    assert len({(case.brief.name, case.lines) for case, _ in found}) == len(found) == FLIPS
    for now, pages in found:
        was = before[now.brief.name, now.lines]
        assert not {*was.best} & {*now.best}
        shipped = passages_of(now.brief)
        ((old, new),) = [
            (old, new)
            for page, old_page in zip(pages, shipped, strict=True)
            for old, new in zip(old_page.rules, page.rules, strict=True)
            if old != new
        ]
        assert new == replace(old, kinds=new.kinds)
        assert not {*old.kinds} & {*new.kinds}
        teacher = PassageTeacher([rule for page in pages for rule in page.rules])
        row = teacher.distribution([now.state])[0]
        likeliest = torch.nonzero(row >= 0.999 * row.max()).flatten().tolist()
        assert now.best == tuple(now.actions[i] for i in likeliest)


def test_flips_are_chosen_by_the_seed() -> None:
    first = flips(SHIPPED, random.Random(1))
    assert flips(SHIPPED, random.Random(1)) == first
    assert flips(SHIPPED, random.Random(2)) != first


@pytest.mark.usefixtures("book")
def test_every_answer_that_counts_is_announced() -> None:
    asked: list[int] = []  # by how many answers had been announced
    announced: list[None] = []

    def weigh(state: StateText) -> Sequence[float]:
        asked.append(len(announced))
        return [1] * len(state.actions)

    examine(Says(weigh), Asking(), [TAKEN, IDLE], advance=lambda: announced.append(None))
    # With passages, permuted, reordered and grown two each, one is flipped, two are without any.
    assert len(announced) == 11
    assert asked[:11] == [*range(11)]


@pytest.mark.usefixtures("book")
def test_times_are_told_of_each_way_to_ask() -> None:
    asking = Asking()
    reader = Reader(asking)
    found = examine(reader, asking, [TAKEN, IDLE]).latency_ms
    assert [*found] == ["cold", "prefix", "state"]
    for times in found.values():
        assert 0 < times["p50"] <= times["p99"]
    assert reader.remembered[-6:-4] == [False, False]  # cold
    assert reader.remembered[-2:] == [True, True]  # state


def test_an_examination_is_repeated_to_the_bit_by_its_seed() -> None:
    cases = [case for case in SHIPPED if case.brief.on_hosts][::12]

    def marks(seed: int) -> Result:
        it = sat(prefers(lambda state: state.lines[0].split()[0]), cases, seed)
        return replace(it, latency_ms={})

    assert marks(1) == marks(1)
    assert marks(1) != marks(2)
