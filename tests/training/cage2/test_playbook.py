"""The CAGE-2 playbook, rule by rule and at play."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from training.cage2.describe import action_labels, host_labels
from training.cage2.env import Cage2
from training.cage2.evaluate import play
from training.cage2.memory import Cage2Memory
from training.cage2.playbook import PLAYBOOK, PlaybookTeacher, explain
from training.cage2.scenario import load
from training.cage2.situation import ramp
from training.cage2.teacher_policy import TeacherPolicy
from training.errors import PolicyError
from training.teacher.teacher import StateText

OFFICIAL = load("official")
ACTIONS = action_labels(OFFICIAL)
SERVER, PIVOT, LINUX, WINDOWS, DESKTOP, FOOTHOLD = (
    "host1",
    "host2",
    "host7",
    "host8",
    "host9",
    "host13",
)
START = Cage2(1, torch.Generator().manual_seed(0)).describe(0)
READY = {name: 1.0 for name in START.facts if ".Decoy" in name}  # no decoy is missing


def state(facts: Mapping[str, float], last: str = "sleep") -> StateText:
    """The official network after its first step, with some facts as they are said."""
    usual = {**START.facts, "step": 1.0, "last_action": float(ACTIONS.index(last))}
    return StateText({**usual, **facts}, START.lines, ACTIONS)


def advice(facts: Mapping[str, float], last: str = "sleep") -> dict[str, float]:
    (row,) = PlaybookTeacher().distribution([state(facts, last)]).tolist()
    return dict(zip(ACTIONS, row, strict=True))


def best(facts: Mapping[str, float], last: str = "sleep") -> str:
    given = advice(facts, last)
    return max(given, key=given.__getitem__)


CASES = {
    "sleep": {},
    f"restore {SERVER}": {f"{SERVER}.verdict": 2, f"{PIVOT}.verdict": 3},
    f"restore {PIVOT}": {f"{PIVOT}.verdict": 2, f"{DESKTOP}.verdict": 3},
    f"restore {LINUX}": {f"{LINUX}.verdict": 3, f"{PIVOT}.activity": 1},
    f"restore {DESKTOP}": {f"{DESKTOP}.verdict": 3},
    f"remove {DESKTOP}": {f"{DESKTOP}.verdict": 2, f"{DESKTOP}.activity": 2},
    f"analyse {DESKTOP}": {f"{DESKTOP}.verdict": 1},
    f"analyse {PIVOT}": {f"{PIVOT}.activity": 1},
}


@pytest.mark.parametrize("action", CASES)
def test_with_all_decoys_running(action: str) -> None:
    assert best({**READY, **CASES[action]}) == action


@pytest.mark.parametrize("verdict", [1, 2, 3])
def test_what_costs_nothing_is_left_alone(verdict: int) -> None:
    assert best({**READY, f"{FOOTHOLD}.verdict": verdict}) == "sleep"


def test_quiet_times_go_to_decoys_on_vital_hosts() -> None:
    placed = []
    facts: dict[str, float] = {}
    for _ in range(4):
        verb, decoy, host = best(facts).split()
        (fact,) = (name for name in START.facts if name.lower() == f"{host}.decoy{decoy}")
        facts[fact] = 1.0
        placed.append((verb, decoy, host))
    assert {p[2] for p in placed} == {SERVER, PIVOT, LINUX, WINDOWS}
    assert {p[1] for p in placed} == {"femitter", "harakasmpt"}  # what attackers like best


def test_attackers_are_met_outside_first() -> None:
    given = advice({})
    assert given[f"decoy femitter {WINDOWS}"] > given[f"decoy femitter {PIVOT}"] > 0


def test_a_scanned_host_gets_the_decoy_that_still_fits() -> None:
    facts = {**READY, f"{LINUX}.activity": 1, f"{LINUX}.DecoyTomcat": 0}
    assert best(facts) == f"decoy tomcat {LINUX}"


def test_a_removal_is_followed_by_one_look() -> None:
    doubt = {**READY, f"{DESKTOP}.verdict": 1, f"{DESKTOP}.exploited_ago": 3}
    assert best({**doubt, f"{DESKTOP}.acted_ago": 1}, f"remove {DESKTOP}") == f"analyse {DESKTOP}"
    assert best({**doubt, f"{DESKTOP}.acted_ago": 1}, f"analyse {DESKTOP}") == "sleep"
    assert best({**doubt, f"{DESKTOP}.acted_ago": 2}) == "sleep"


def test_a_look_at_a_scan_is_not_repeated() -> None:
    scanned = {**READY, f"{PIVOT}.scanned_ago": 2}
    assert best(scanned) == f"analyse {PIVOT}"
    assert best({**scanned, f"{PIVOT}.acted_ago": 1}) == "sleep"


def test_an_alarm_at_a_starting_decoy_is_doubted() -> None:
    alarm = {**READY, f"{LINUX}.verdict": 2, f"{LINUX}.activity": 2}
    assert best(alarm, f"decoy tomcat {LINUX}") == f"remove {LINUX}"
    assert best(alarm, f"decoy femitter {WINDOWS}") == f"restore {LINUX}"


def test_a_cheap_host_is_restored_once_and_not_near_the_end() -> None:
    lost = {**READY, f"{DESKTOP}.verdict": 3}
    assert best({**lost, f"{DESKTOP}.restored": 1}) == "sleep"
    assert best({**lost, "step": 81}) == "sleep"
    assert best({**READY, f"{PIVOT}.verdict": 3, "step": 99}) == f"restore {PIVOT}"


@pytest.mark.parametrize("activity", [0, 1])
def test_a_clean_host_is_never_restored(activity: int) -> None:
    for facts in (READY, {}):
        given = advice({**facts, **{f"{at}.activity": activity for at in host_labels(OFFICIAL)}})
        assert sum(share for name, share in given.items() if "restore" in name) < 1e-12


def test_the_reasons_are_given_with_their_shares() -> None:
    facts = {**READY, f"{PIVOT}.verdict": 2, f"{SERVER}.verdict": 3}
    given = {name: (reason, share) for name, reason, share in explain(state(facts))}
    assert list(given) == ["the server", "full control, vital host", "user access, vital host"]
    # 0.95, then 0.05 of 0.9, then 0.1 of that and 0.95 for one hop of 0.85.
    shares = [0.95, 0.05 * 0.9, 0.05 * 0.1 * 0.85 * 0.95]
    assert [share for _, share in given.values()] == pytest.approx(shares)
    assert given["the server"][0] == PLAYBOOK[-1].reason


def test_advice_is_what_the_rules_say() -> None:
    given = advice({**READY, f"{DESKTOP}.verdict": 2})
    weight = 0.8 * 0.85  # three hops from the server
    assert given[f"remove {DESKTOP}"] == pytest.approx(weight * 0.7)
    assert given[f"analyse {DESKTOP}"] == pytest.approx(weight * 0.2)
    assert given["sleep"] == pytest.approx(1 - weight * 0.95)


def test_every_rule_advises_a_distribution() -> None:
    assert all(sum(rule.does) == pytest.approx(1) for rule in PLAYBOOK)
    assert all(rule.reason.endswith(".") and rule.name for rule in PLAYBOOK)


def test_ramp() -> None:
    assert ramp(torch.tensor([0.0, 2.0, 3.0, 4.0, 9.0]).numpy(), 2, 4).tolist() == [0, 0, 0.5, 1, 1]


def texts(scenario: str, steps: int, recalled: bool) -> list[StateText]:
    """States of random play, by one action at a time."""
    network = load(scenario)
    env = Cage2(4, torch.Generator().manual_seed(2), scenario=network)
    memory = Cage2Memory(network)
    obs, state, found = env.reset(), torch.zeros(4, memory.state_size), []
    for _ in range(steps):
        said = [env.describe(i) for i in range(4)]
        found += [memory.recall(t, state[i]) for i, t in enumerate(said)] if recalled else said
        action = torch.randint(network.num_actions, (4,), generator=env.generator)
        state = memory.remember(obs, state, action)
        obs, *_ = env.step(action)
    return found


@pytest.mark.parametrize("recalled", [False, True])
@pytest.mark.parametrize("scenario", ["generated-5", "official", "generated-20", "generated-31"])
def test_advice_is_soft_for_every_size_with_and_without_memory(
    scenario: str, recalled: bool
) -> None:
    states = texts(scenario, 25, recalled)
    given = PlaybookTeacher().distribution(states)
    assert given.shape == (100, len(states[0].actions))
    assert given.dtype == torch.float32
    torch.testing.assert_close(given.sum(1), torch.ones(100))
    assert given.min() >= 0
    assert given.max() < 0.99
    alone = [PlaybookTeacher().distribution([text]) for text in states]
    torch.testing.assert_close(torch.cat(alone), given)


def renamed(text: StateText, order: list[int]) -> StateText:
    """The same state where what was the k-th host is called the ``order[k]``-th."""
    names = {f"host{k + 1}": f"host{new + 1}" for k, new in enumerate(order)}
    facts = {}
    for name, value in text.facts.items():
        host, dot, rest = name.partition(".")
        facts[names.get(host, host) + dot + rest] = value
    last = text.actions[int(facts["last_action"])] if facts["last_action"] >= 0 else None
    if last is not None:
        facts["last_action"] = float(text.actions.index(moved(last, names)))
    return StateText(facts, text.lines, text.actions)


def moved(action: str, names: Mapping[str, str]) -> str:
    *verb, host = action.split()
    return " ".join([*verb, names.get(host, host)])


def test_hosts_are_anonymous() -> None:
    states = texts("official", 20, recalled=True)
    order = torch.randperm(13, generator=torch.Generator().manual_seed(1)).tolist()
    names = {f"host{k + 1}": f"host{new + 1}" for k, new in enumerate(order)}
    columns = [ACTIONS.index(moved(action, names)) for action in ACTIONS]
    teacher = PlaybookTeacher()
    other = teacher.distribution([renamed(text, order) for text in states])
    torch.testing.assert_close(other[:, columns], teacher.distribution(states))


@pytest.mark.parametrize("scenario", ["generated-5", "official", "generated-20"])
def test_the_playbook_plays_far_better_than_nobody(scenario: str) -> None:
    network = load(scenario)
    for red, sleeping in (("B_line", -900), ("Meander", -500)):
        env = Cage2(30, torch.Generator().manual_seed(1), red=[red], scenario=network)
        returns = play(env, TeacherPolicy(PlaybookTeacher(), network), 30, lambda _: None)
        assert returns.mean() > sleeping / 8


def test_other_playgrounds_are_refused() -> None:
    with pytest.raises(PolicyError, match="no action 'analyse host1'"):
        PlaybookTeacher().distribution([StateText({}, (), ("sleep", "restore host1"))])
    with pytest.raises(PolicyError, match="no fact 'step'"):
        PlaybookTeacher().distribution([StateText({}, (), ACTIONS)])
    with pytest.raises(PolicyError, match="more than one scenario"):
        PlaybookTeacher().distribution([state({}), StateText({}, (), ("sleep",))])
