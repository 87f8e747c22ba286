"""What a policy remembers, against the simulator and by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest
import torch

from tests.training.cage2.play import PLACEABLE, Match, number
from training.cage2 import blue
from training.cage2.bits import DTYPE, bit, overlap
from training.cage2.codes import FIRST_DECOY
from training.cage2.describe import action_labels, host_labels
from training.cage2.env import Cage2
from training.cage2.memory import Cage2Memory
from training.cage2.scenario import Scenario, Variant, load
from training.cage2.tables import Tables
from training.teacher.teacher import StateText

SLEEP, MONITOR = 0, 1
SIGNS = 6  # scanned, exploited, acted on lately; ever scanned, exploited, restored
STEPS, BATCH = 300, 16
CASES = [
    (scenario, variant)
    for scenario in ("official", "generated-5", "generated-20")
    for variant in (Variant.HEAD, Variant.REPAIRED)
]


class Moment(NamedTuple):
    """A step of random play: what was remembered before it, and what happened."""

    remembered: torch.Tensor
    action: torch.Tensor
    success: torch.Tensor
    after: torch.Tensor
    decoys: torch.Tensor  # (H, B): the sets that run after it
    obs: torch.Tensor  # after it


class Game(NamedTuple):
    """Random play from the start."""

    match: Match
    memory: Cage2Memory
    moments: list[Moment]


def random_play(scenario: str, variant: Variant) -> Iterator[Moment]:
    match = Match(scenario, variant, num_envs=BATCH)
    memory = Cage2Memory(match.scenario, variant)
    state = torch.zeros(BATCH, memory.state_size)
    for _ in range(STEPS):
        obs, (attack, _) = match.observe(), match.choose()
        action = match.below(match.scenario.num_actions)
        success = match.apply(action, attack).blue_success
        after = memory.remember(obs, state, action)
        yield Moment(state, action, success, after, match.state.decoys, match.observe())
        state = after


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def game(request: pytest.FixtureRequest) -> Game:
    scenario, variant = request.param
    match = Match(scenario, variant)
    memory = Cage2Memory(match.scenario, variant)
    return Game(match, memory, list(random_play(scenario, variant)))


def hosts_of(memory: Cage2Memory, state: torch.Tensor) -> torch.Tensor:
    return state[:, :-1].view(len(state), memory.hosts, -1)


def running(memory: Cage2Memory, state: torch.Tensor) -> torch.Tensor:
    return hosts_of(memory, state)[..., SIGNS:].bool()


def placeable(tables: Tables, decoys: torch.Tensor) -> torch.Tensor:
    """By the simulator's rules, ``(B, H, D)``."""
    shape = BATCH, tables.hosts, tables.num_decoys
    row, host, decoy = torch.ones(shape).nonzero().t()
    here = decoys.to(DTYPE)[host, row]
    return blue.placeable(tables, host, here, decoy.to(DTYPE)).view(shape)


def quiet(memory: Cage2Memory, batch: int = 1) -> torch.Tensor:
    return torch.zeros(batch, memory.num_features)


def seen(memory: Cage2Memory, host: int, active: int, exploited: int) -> torch.Tensor:
    obs = quiet(memory)
    obs[0, 4 * host], obs[0, 4 * host + 1] = active, exploited
    return obs


def after(memory: Cage2Memory, *steps: tuple[torch.Tensor, int]) -> torch.Tensor:
    state = torch.zeros(1, memory.state_size)
    for obs, action in steps:
        state = memory.remember(obs, state, torch.tensor([action]))
    return state


@pytest.fixture(scope="module")
def network() -> Scenario:
    return load("official")


@pytest.fixture(scope="module")
def memory(network: Scenario) -> Cage2Memory:
    return Cage2Memory(network)


def test_the_remembered_decoys_are_those_that_run(game: Game) -> None:
    for moment in game.moments:
        decoys = moment.decoys.t().to(DTYPE)[..., None]
        truth = overlap(decoys, bit(torch.arange(game.memory.decoys)))
        assert torch.equal(running(game.memory, moment.after), truth)
    assert truth.sum() > BATCH * game.memory.hosts / 2


def test_decoys_are_placeable_where_the_rules_say(game: Game) -> None:
    for moment in game.moments:
        remembered = game.memory.placeable(moment.after)
        assert torch.equal(remembered, placeable(game.match.tables, moment.decoys).float())


def test_useless_are_monitor_and_the_decoys_that_fail(game: Game) -> None:
    failed = 0
    for moment in game.moments:
        useful = game.memory.useful(moment.remembered)
        kind = (moment.action - 2) // game.memory.hosts
        places = (kind >= FIRST_DECOY) & (kind < FIRST_DECOY + game.memory.decoys)
        wanted = torch.where(places, moment.success, moment.action != MONITOR)
        assert torch.equal(useful.gather(1, moment.action[:, None])[:, 0], wanted)
        failed += int((places & ~moment.success).sum())
    assert failed > BATCH


def test_the_clock_counts_steps(game: Game) -> None:
    for step, moment in enumerate(game.moments, start=1):
        assert moment.after[:, -1].tolist() == pytest.approx([step / 100] * BATCH, abs=1e-4)


def test_rows_of_a_batch_do_not_meet(game: Game) -> None:
    memory, (*_, before, last) = game.memory, game.moments
    obs, state, action = before.obs, last.remembered, last.action
    assert torch.equal(memory.remember(obs, state, action), last.after)
    for i in range(BATCH):
        row = slice(i, i + 1)
        alone = memory.remember(obs[row], state[row], action[row])
        assert torch.equal(alone, last.after[row])
        assert torch.equal(memory(obs[row], state[row]), memory(obs, state)[row])
        assert torch.equal(memory.useful(state[row]), memory.useful(state)[row])


@pytest.mark.parametrize("variant", Variant)
def test_zeros_are_an_episodes_start(network: Scenario, variant: Variant) -> None:
    memory = Cage2Memory(network, variant)
    assert torch.equal(memory.placeable(torch.zeros(1, memory.state_size))[0].int(), clean())


def clean() -> torch.Tensor:
    return torch.tensor(PLACEABLE, dtype=torch.int32)


def test_a_new_episode_is_remembered_from_zeros(network: Scenario, memory: Cage2Memory) -> None:
    env = Cage2(1, torch.Generator().manual_seed(3), horizon=20)
    obs, state = env.reset(), torch.zeros(1, memory.state_size)
    for _ in range(60):
        action = torch.randint(network.num_actions, (1,), generator=env.generator)
        state = memory.remember(obs, state, action)
        obs, _, _, truncated, _ = env.step(action)
        state = state * ~truncated[:, None]
        assert facts(network, memory, state) == decoy_facts(env)


def facts(network: Scenario, memory: Cage2Memory, state: torch.Tensor) -> dict[str, float]:
    names, labels = [d.name for d in network.catalogue.decoys], host_labels(network)
    runs, free = running(memory, state)[0].tolist(), memory.placeable(state)[0].bool().tolist()
    return {
        f"{label}.{name}": float(runs[h][d])
        for h, label in enumerate(labels)
        for d, name in enumerate(names)
        if runs[h][d] or free[h][d]
    }


def decoy_facts(env: Cage2) -> dict[str, float]:
    return {name: value for name, value in env.describe(0).facts.items() if ".Decoy" in name}


@pytest.mark.parametrize(("exploited", "lately", "ever"), [(0, 0, 3), (1, 1, 4)])
def test_an_attack_fades_and_is_never_forgotten(
    memory: Cage2Memory, exploited: int, lately: int, ever: int
) -> None:
    attack, nothing = (seen(memory, 5, 1, exploited), SLEEP), (quiet(memory), SLEEP)
    for steps, left in enumerate((1, 0.8, 0.64)):
        found = hosts_of(memory, after(memory, attack, *[nothing] * steps))[0]
        wanted = torch.zeros_like(found)
        wanted[5, lately], wanted[5, ever] = left, 1
        torch.testing.assert_close(found, wanted)


def test_a_second_scan_is_as_fresh_as_the_first(memory: Cage2Memory) -> None:
    scan, nothing = (seen(memory, 0, 1, 0), SLEEP), (quiet(memory), SLEEP)
    found = hosts_of(memory, after(memory, scan, nothing, scan, nothing))[0, 0]
    assert found[:4].tolist() == pytest.approx([0.8, 0, 0, 1])


@pytest.mark.parametrize("action", [SLEEP, MONITOR])
def test_sleep_and_monitor_mark_no_host(memory: Cage2Memory, action: int) -> None:
    state = after(memory, (quiet(memory), action))
    assert not hosts_of(memory, state).any()


@pytest.mark.parametrize("kind", ["Analyse", "Remove", "DecoySSHD", "Restore"])
def test_an_action_marks_its_host_and_fades(
    network: Scenario, memory: Cage2Memory, kind: str
) -> None:
    act, nothing = (quiet(memory), number(network, kind, 10)), (quiet(memory), SLEEP)
    for steps, left in enumerate((1, 0.8, 0.64)):
        found = hosts_of(memory, after(memory, act, *[nothing] * steps))[0, :, :SIGNS]
        wanted = torch.zeros_like(found)
        wanted[10, 2], wanted[10, 5] = left, kind == "Restore"
        torch.testing.assert_close(found, wanted)


def test_a_restore_forgets_its_hosts_decoys_alone(network: Scenario, memory: Cage2Memory) -> None:
    places = [(quiet(memory), number(network, "DecoySSHD", host)) for host in (10, 11)]
    restore = quiet(memory), number(network, "Restore", 10)
    found = after(memory, *places, restore)
    assert running(memory, found)[0].sum(1).nonzero().tolist() == [[11]]
    assert torch.equal(memory.placeable(found)[0, 10].int(), clean()[10])
    assert hosts_of(memory, found)[0, :, 5].nonzero().tolist() == [[10]]


def test_a_network_sees_observation_memory_and_free_places(memory: Cage2Memory) -> None:
    obs, state = seen(memory, 1, 1, 1), after(memory, (seen(memory, 2, 1, 0), SLEEP))
    inputs = memory(obs, state)
    assert inputs.shape == (1, memory.num_inputs)
    assert torch.equal(inputs, torch.cat([obs, state, memory.placeable(state).flatten(1)], 1))


def test_a_host_sees_what_is_its_own(network: Scenario, memory: Cage2Memory) -> None:
    act = seen(memory, 2, 1, 0), number(network, "DecoySSHD", 10)
    obs, state = seen(memory, 1, 1, 1), after(memory, act)
    free = memory.placeable(state)[0]
    inputs = memory.host_inputs(obs, state)
    assert inputs.shape == (1, memory.hosts, memory.num_host_inputs)
    for host, found in enumerate(inputs[0]):
        bits, signs, runs, places, facts, clock = found.split([4, SIGNS, 8, 8, 4, 1])
        assert torch.equal(bits, obs[0, 4 * host : 4 * host + 4])
        assert torch.equal(torch.cat([signs, runs]), hosts_of(memory, state)[0, host])
        assert torch.equal(places, free[host])
        assert torch.equal(facts, memory.facts[host])
        assert torch.equal(clock, state[0, -1:])


@pytest.mark.parametrize(
    ("host", "facts"),  # cost, way to the server, is the server, reveals another
    [
        ("Defender", [0.1, 0.5, 0, 0]),
        ("Enterprise2", [1, 0.25, 0, 1]),
        ("Op_Server0", [1, 0, 1, 0]),
        ("User0", [0, 1, 0, 0]),
        ("User3", [0.1, 0.75, 0, 1]),
    ],
)
def test_facts_are_the_scenarios(
    network: Scenario, memory: Cage2Memory, host: str, facts: list[float]
) -> None:
    assert memory.facts[network.index(host)].tolist() == pytest.approx(facts)


def test_hosts_are_related_by_subnet_and_by_what_they_reveal(memory: Cage2Memory) -> None:
    mates, paths = memory.relations
    assert mates[4].tolist() == pytest.approx([0] * 5 + [1 / 3] * 3 + [0] * 5)
    assert paths[2].tolist() == pytest.approx([0] * 9 + [1 / 2] * 2 + [0] * 2)  # User1, User2
    assert paths[3].nonzero().tolist() == [[7]]
    assert not paths[8].any()


def recalled(
    memory: Cage2Memory,
    state: torch.Tensor,
    said: Mapping[str, float] | None = None,
    last: int = SLEEP,
) -> StateText:
    """Of a quiet network, but for some facts."""
    labels = tuple(f"host{i + 1}" for i in range(memory.hosts))
    facts = {f"{label}.{name}": 0.0 for label in labels for name in ("activity", "verdict")}
    facts |= {"step": 7.0, "last_action": float(last), **(said or {})}
    return memory.recall(StateText(facts, labels, action_labels(memory.scenario)), state[0])


def added(text: StateText) -> dict[str, float]:
    """Facts beyond those of a quiet network."""
    usual = ("activity", "verdict", "step", "last_action")
    return {name: value for name, value in text.facts.items() if not name.endswith(usual)}


def test_nothing_is_recalled_when_an_episode_begins(memory: Cage2Memory) -> None:
    text = recalled(memory, torch.zeros(1, memory.state_size), last=-1)
    assert added(text) == {"recalled": 1.0}
    assert text.lines == tuple(f"host{n}" for n in range(1, 14))
    assert text.actions == action_labels(memory.scenario)
    assert (text.facts["step"], text.facts["last_action"]) == (7, -1)


def test_it_is_recalled_how_long_ago_things_happened(
    network: Scenario, memory: Cage2Memory
) -> None:
    pivot, rest = 3, (quiet(memory), SLEEP)  # Enterprise2 is host2
    attack = seen(memory, pivot, 1, 1), number(network, "Restore", pivot)
    state = after(memory, (seen(memory, pivot, 1, 0), SLEEP), rest, attack, rest)
    text = recalled(memory, state)
    ago = {"scanned_ago": 4.0, "exploited_ago": 2.0, "acted_ago": 2.0, "restored": 1.0}
    assert added(text) == {"recalled": 1.0} | {f"host2.{k}": v for k, v in ago.items()}
    assert text.lines[:3] == ("host1", "host2 restored", "host3")
    both = recalled(memory, state, {"host2.activity": 1.0, "host11.activity": 1.0}).lines
    assert both[1] == "host2 unchecked restored"
    assert both[9:12] == ("host10", "host11 unchecked", "host12")


QUIET, SCANNED, EXPLOITED = (0, 0), (1, 0), (1, 1)  # what is seen of a host
CLEAN, DOUBT, ACCESSED, CONTROLLED = range(4)  # what is believed of it
# Step by step, what was seen there and what was done ("Look": at another host); then what is seen
# now, what is believed, and whether that is unchecked.
HISTORIES = {
    "nothing ever happened": ([(QUIET, "Sleep")], QUIET, CLEAN, False),
    "looked without a reason": ([(QUIET, "Analyse")], QUIET, CLEAN, False),
    "scanned just now": ([], SCANNED, CLEAN, True),
    "exploited just now": ([], EXPLOITED, CLEAN, True),
    "looked before a scan": ([(QUIET, "Analyse")], SCANNED, CLEAN, True),
    "looked before a scan, slept": (
        [(QUIET, "Analyse"), (SCANNED, "Sleep")], QUIET, CLEAN, True,
    ),
    "scanned, slept": ([(SCANNED, "Sleep"), (QUIET, "Sleep")], QUIET, CLEAN, True),
    "exploited, slept": ([(EXPLOITED, "Sleep"), (QUIET, "Sleep")], QUIET, CLEAN, True),
    "scanned, looked elsewhere": ([(SCANNED, "Look")], QUIET, CLEAN, True),
    "scanned, looked at once": ([(SCANNED, "Analyse"), (QUIET, "Sleep")], QUIET, CLEAN, False),
    "scanned, looked later": ([(SCANNED, "Sleep"), (QUIET, "Analyse")], QUIET, CLEAN, False),
    "scanned, placed a decoy": ([(SCANNED, "DecoyTomcat")], QUIET, CLEAN, False),
    "scanned, known to be accessed": ([(SCANNED, "Sleep")], SCANNED, ACCESSED, False),
    "exploited, known to be lost": ([(EXPLOITED, "Sleep")], EXPLOITED, CONTROLLED, False),
    "removed at once": ([(EXPLOITED, "Remove")], QUIET, DOUBT, True),
    "removed at once, slept": (
        [(EXPLOITED, "Remove"), (QUIET, "Sleep")], QUIET, DOUBT, True,
    ),
    "removed later": ([(EXPLOITED, "Sleep"), (QUIET, "Remove")], QUIET, DOUBT, True),
    "removed, looked elsewhere": ([(EXPLOITED, "Remove"), (QUIET, "Look")], QUIET, DOUBT, True),
    "removed, looked": ([(EXPLOITED, "Remove"), (QUIET, "Analyse")], QUIET, DOUBT, False),
    "looked at once, still in doubt": ([(EXPLOITED, "Analyse")], QUIET, DOUBT, False),
    "removed, looked, slept": (
        [(EXPLOITED, "Remove"), (QUIET, "Analyse"), (QUIET, "Sleep")], QUIET, DOUBT, False,
    ),
    "removed, looked, scanned": (
        [(EXPLOITED, "Remove"), (QUIET, "Analyse")], SCANNED, DOUBT, True,
    ),
    "removed, restored": ([(EXPLOITED, "Remove"), (QUIET, "Restore")], QUIET, CLEAN, False),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_what_nobody_has_looked_at_is_unchecked(
    network: Scenario, memory: Cage2Memory, name: str
) -> None:
    history, now, believed, unchecked = HISTORIES[name]
    server, other = 7, 9  # host1 and host10
    does = {kind: number(network, kind, server) for kind in network.actions}
    does |= {"Sleep": SLEEP, "Look": number(network, "Analyse", other)}
    steps = [(seen(memory, server, *bits), does[kind]) for bits, kind in history]
    said = {"host1.activity": float(sum(now)), "host1.verdict": float(believed)}
    text = recalled(memory, after(memory, *steps), said, steps[-1][1] if steps else -1)
    assert [line for line in text.lines if "unchecked" in line.split()] == (
        [text.lines[0]] if unchecked else []
    )


def test_steps_are_counted_until_floats_end(network: Scenario, memory: Cage2Memory) -> None:
    state = after(memory, (seen(memory, 7, 1, 1), number(network, "Analyse", 7)))
    nothing = quiet(memory)
    for step in range(1, 420):
        facts = recalled(memory, state).facts
        assert facts["host1.exploited_ago"] == facts["host1.acted_ago"] == min(step, 392)
        state = memory.remember(nothing, state, torch.tensor([SLEEP]))
