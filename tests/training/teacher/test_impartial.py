"""That a teacher, however partial, is made impartial."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.decision import VERDICTS
from training.cage2.brief import BRIEF
from training.cage2.describe import WORTH as CAGE2_WORTH
from training.cage2.env import Cage2
from training.cage2.scenario import load
from training.gateway.state import BRIEF as GATEWAY
from training.teacher.impartial import Impartial
from training.teacher.playbook.passages import rules_of
from training.teacher.playbook.reader import PassageTeacher
from training.teacher.playgrounds import WORTH, passages_of
from training.teacher.question import labels
from training.teacher.teacher import StateText

View = Callable[[StateText, str], object]
"""What of a state a partial teacher's opinion of an action hangs on."""


def label(_: StateText, action: str) -> str:
    return action


def place(state: StateText, action: str) -> tuple[str, int]:
    """An action's kind, and where its host stands."""
    kind, _, host = action.rpartition(" ")
    return kind, [line.split()[0] for line in state.lines].index(host) if kind else -1


def everything(state: StateText, action: str) -> tuple[tuple[str, ...], str]:
    return state.lines, action


SLOWLY = settings(deadline=None)  # torch takes its time at first
VIEWS = pytest.mark.parametrize("view", [label, place, everything])


@dataclass
class Partial:
    """Has an opinion of every action, for no good reason; keeps what it was asked."""

    view: View = everything
    asked: list[StateText] = field(default_factory=list)
    forgot: int = 0

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        self.asked += states
        return torch.stack([self._row(state) for state in states])

    def _row(self, state: StateText) -> torch.Tensor:
        seen = [repr(self.view(state, action)).encode() for action in state.actions]
        row = torch.tensor(
            [1.0 + int.from_bytes(blake2b(it, digest_size=3).digest()) for it in seen]
        )
        return row / row.sum()

    def forget(self) -> None:
        self.forgot += 1


KINDS = ("sleep", "monitor", "restore", "decoy apache", "decoy tomcat")
LINE = st.lists(st.sampled_from(("vital", "cheap", "spare", "accessed")), unique=True, max_size=2)
HOSTS = st.lists(LINE.map(" ".join), min_size=1, max_size=14)


def network(words: Sequence[str]) -> StateText:
    """Host1, host2, … with full actions: two without a host, then each kind host by host."""
    hosts = [f"host{n + 1}" for n in range(len(words))]
    lines = tuple(f"{host} {it}".strip() for host, it in zip(hosts, words, strict=True))
    on_hosts = tuple(f"{kind} {host}" for kind in KINDS[2:] for host in hosts)
    return StateText({}, lines, (*KINDS[:2], *on_hosts))


def said(state: StateText) -> list[str]:
    """What is said of each host."""
    return [line.partition(" ")[2] for line in state.lines]


def advised(teacher: Impartial, state: StateText) -> dict[str, float]:
    (row,) = teacher.distribution([state]).tolist()
    return dict(zip(state.actions, row, strict=True))


def to(action: str, new: dict[str, str]) -> str:
    """An action, done to the host that another one is now."""
    kind, _, host = action.rpartition(" ")
    return f"{kind} {new[host]}" if host in new else action


@st.composite
def exchanged(draw: st.DrawFn) -> tuple[StateText, StateText, dict[str, str]]:
    """A network, the same after hosts changed places, and each old host's new label."""
    before = draw(HOSTS.map(network))
    hosts = [line.split()[0] for line in before.lines]
    after = draw(st.permutations(range(len(hosts))))  # which old host is now in each place
    words = said(before)
    new = {hosts[old]: hosts[now] for now, old in enumerate(after)}
    return before, network([words[old] for old in after]), new


@VIEWS
@SLOWLY
@given(exchanged())
def test_advice_goes_where_hosts_go(
    view: View, change: tuple[StateText, StateText, dict[str, str]]
) -> None:
    before, after, new = change
    teacher = Impartial(Partial(view), WORTH)
    was, now = advised(teacher, before), advised(teacher, after)
    assert now == {to(action, new): share for action, share in was.items()}


@VIEWS
@SLOWLY
@given(HOSTS.map(network), st.randoms(use_true_random=False))
def test_in_which_order_hosts_are_told_of_changes_nothing(
    view: View, state: StateText, chance: random.Random
) -> None:
    teacher = Impartial(Partial(view), WORTH)
    turned = StateText({}, tuple(chance.sample(state.lines, len(state.lines))), state.actions)
    assert advised(teacher, turned) == pytest.approx(advised(teacher, state), rel=1e-5)


@VIEWS
def test_in_which_order_equal_hosts_are_told_of_changes_not_a_bit(view: View) -> None:
    state = network(["cheap"] * 5)
    teacher = Impartial(Partial(view), WORTH)
    for lines in permutations(state.lines):
        assert advised(teacher, StateText({}, lines, state.actions)) == advised(teacher, state)


def test_the_test_teachers_are_partial() -> None:
    before, after = network(["vital", "cheap"]), network(["cheap", "vital"])
    for view in (label, place, everything):
        was, now = Partial(view).distribution([before, after]).tolist()
        exchange = dict(zip(after.actions, now, strict=True))
        moved = [exchange[to(a, {"host1": "host2", "host2": "host1"})] for a in before.actions]
        assert was != pytest.approx(moved, abs=1e-3)


@VIEWS
@SLOWLY
@given(HOSTS.map(network))
def test_hosts_of_which_the_same_is_said_get_equal_shares(view: View, state: StateText) -> None:
    found = advised(Impartial(Partial(view), WORTH), state)
    for kind in KINDS[2:]:
        shares: dict[str, set[float]] = {}
        for host, _, words in (line.partition(" ") for line in state.lines):
            shares.setdefault(words, set()).add(found[f"{kind} {host}"])
        assert all(len(equal) == 1 for equal in shares.values())


@VIEWS
@SLOWLY
@given(st.lists(HOSTS.map(network), min_size=1, max_size=3))
def test_every_row_is_a_distribution_about_its_own_state(
    view: View, states: list[StateText]
) -> None:
    # Actions must be as many in each, as they are in a playground's batch.
    states = [state for state in states if len(state.actions) == len(states[0].actions)]
    teacher = Impartial(Partial(view), WORTH)
    table = teacher.distribution(states)
    assert (table.shape, table.dtype) == ((len(states), len(states[0].actions)), torch.float32)
    torch.testing.assert_close(table.sum(1), torch.ones(len(states)))
    assert torch.equal(table, torch.cat([teacher.distribution([state]) for state in states]))


@SLOWLY
@given(HOSTS.map(network))
def test_each_kind_keeps_its_share(state: StateText) -> None:
    inner = Partial()
    found = advised(Impartial(inner, WORTH), state)
    (row,) = inner.distribution(inner.asked[:1]).tolist()
    given_ = dict(zip(state.actions, row, strict=True))
    for kind in KINDS:
        mine = [action for action in state.actions if action.startswith(kind)]
        assert sum(found[a] for a in mine) == pytest.approx(sum(given_[a] for a in mine))


def test_a_model_is_shown_hosts_by_worth_and_then_by_words() -> None:
    inner = Partial()
    lines = (
        "host2 spare accessed",
        "host1 cheap scanned",
        "host4 outer vital",
        "host3 cheap accessed",
        "host6 core vital",
        "host5 vital bare",
    )
    actions = (
        "sleep",
        "restore host2",
        "restore host1",
        *(f"restore host{n}" for n in range(3, 7)),
    )
    Impartial(inner, CAGE2_WORTH).distribution([StateText({"host1.cost": 7.0}, lines, actions)])
    told = (
        "host1 core vital",
        "host2 vital bare",
        "host3 outer vital",
        "host4 cheap accessed",
        "host5 cheap scanned",
        "host6 spare accessed",
    )
    assert inner.asked == [StateText({}, told, actions)]


def test_advice_is_of_the_host_that_was_meant() -> None:
    class First(Partial):
        """Restores the host that stands first, or else the second."""

        def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
            return torch.tensor([[0.0, 0.75, 0.25, 0.0]] * len(states))

    lines = ("host1 spare", "host2 cheap", "host3 vital")
    state = StateText({}, lines, ("sleep", *(f"restore host{n}" for n in (1, 2, 3))))
    found = Impartial(First(), WORTH).distribution([state])
    assert found.tolist() == [[0.0, 0.0, 0.25, 0.75]]


def test_all_permutations_are_one_state_to_a_model() -> None:
    inner = Partial()
    orders = [
        network(words) for words in permutations(("core vital", "cheap accessed", "cheap", "cheap"))
    ]
    turns = [StateText({}, lines, orders[0].actions) for lines in permutations(orders[0].lines)]
    Impartial(inner, WORTH).distribution([*orders, *turns])
    assert len(inner.asked) == 48
    assert {(state.lines, state.actions) for state in inner.asked} == {
        (
            ("host1 core vital", "host2 cheap", "host3 cheap", "host4 cheap accessed"),
            orders[0].actions,
        )
    }


def test_many_hosts_are_numbered_as_they_stand() -> None:
    # Sorted as text, host10 would come before host2.
    inner, words = Partial(), ["vital", "cheap", "spare accessed", "spare", "core"]
    Impartial(inner, WORTH).distribution([network(words * 10)])
    (told,) = inner.asked
    assert [line.split()[0] for line in told.lines] == [f"host{n + 1}" for n in range(50)]
    in_order = ["core", "vital", "cheap", "spare", "spare accessed"]
    assert said(told) == [it for it in in_order for _ in range(10)]


FLOW = st.lists(st.sampled_from(sorted(GATEWAY.words)), unique=True).map(
    lambda said: StateText({}, (" ".join(["flow", *said]),), VERDICTS)
)


@SLOWLY
@given(FLOW)
def test_a_flow_is_asked_about_as_it_is(state: StateText) -> None:
    inner = Partial()
    found = Impartial(inner, WORTH).distribution([state])
    assert inner.asked == [state]
    assert torch.equal(found, inner.distribution([state]))


def test_it_forgets_what_the_model_forgets() -> None:
    inner = Partial()
    Impartial(inner, WORTH).forget()
    assert inner.forgot == 1


@pytest.mark.parametrize("name", ["official", "generated-9"])
def test_games_with_a_kind_a_decoy_can_be_asked_about(name: str) -> None:
    start = Cage2(1, torch.Generator().manual_seed(0), scenario=load(name)).describe(0)
    inner = Partial()
    found = advised(Impartial(inner, BRIEF.worth), start)
    (told,) = inner.asked
    assert told.actions == start.actions
    assert sorted(said(told)) == sorted(said(start))
    words = dict(line.split(" ", 1) for line in start.lines)
    alike: dict[tuple[str, str], set[float]] = {}
    for action, share in found.items():
        kind, _, host = action.rpartition(" ")
        alike.setdefault((kind, words.get(host, host)), set()).add(share)
    assert len(alike) < len(start.actions)
    assert any(kind.startswith("decoy ") for kind, _ in alike)
    assert all(len(shares) == 1 for shares in alike.values())


class Reading(PassageTeacher):
    def forget(self) -> None:
        """Nothing was kept."""


SAID = st.lists(st.sampled_from(sorted(BRIEF.words)), unique=True, max_size=5).map(" ".join)


@SLOWLY
@given(st.lists(SAID, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_one_that_was_impartial_says_what_it_said(words: list[str], chance: random.Random) -> None:
    hosts = [f"host{n + 1}" for n in range(len(words))]
    lines = [f"{host} {it}".strip() for host, it in zip(hosts, words, strict=True)]
    told = tuple(chance.sample(lines, len(lines)))
    state = StateText({}, told, labels(BRIEF.kinds, hosts))
    teacher = Reading(rules_of(passages_of(BRIEF)))
    found = Impartial(teacher, WORTH).distribution([state])
    torch.testing.assert_close(found, teacher.distribution([state]), rtol=1e-5, atol=1e-6)


@SLOWLY
@given(FLOW)
def test_one_that_was_impartial_says_of_flows_what_it_said(state: StateText) -> None:
    teacher = Reading(rules_of(passages_of(GATEWAY)))
    assert torch.equal(
        Impartial(teacher, WORTH).distribution([state]), teacher.distribution([state])
    )
