"""What holds in every game of the batched simulator, whoever plays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.cage2.play import (
    ALL_REDS,
    PLACEABLE,
    Match,
    chances,
    differing,
    leaves,
    members_of,
    rows,
)
from training.cage2 import bits, dynamics, red
from training.cage2.codes import ESCALATE, EXPLOIT, SCAN
from training.cage2.env import Cage2
from training.cage2.scenario import Variant
from training.cage2.state import Outcome, RedAction, State

NAMES = ("official", "generated-5", "generated-8-3", "generated-31-1")
BELOW_ONE = 1 - 2**-24  # the largest float32 below 1
DEFENDER, ENTERPRISE0, SERVER, USER0 = 0, 1, 7, 8
APACHE, VSFTPD = 0, 7
# The specification's §7: exploits' probabilities on clean hosts, by the catalogue's numbers.
LINUX = {4: 1.0}
WINDOWS = {3: 0.75, 2: 0.0625, 0: 0.0625, 1: 0.0625, 4: 0.0625}
FTP = {7: 0.75, 4: 0.25}
CHOICES = (
    *(LINUX, LINUX, WINDOWS, WINDOWS, LINUX, LINUX, LINUX, LINUX, FTP, FTP),
    {0: 0.75, 1: 0.25},
    {6: 0.75, 3: 0.25 / 3, 2: 0.25 / 3, 1: 0.25 / 3},
    {6: 0.75, 5: 0.0625, 3: 0.0625, 2: 0.0625, 4: 0.0625},
)


class Moment(NamedTuple):
    """One step of a match."""

    before: State
    action: torch.Tensor
    attack: RedAction
    outcome: Outcome
    after: State


def moments(match: Match, steps: int) -> Iterator[Moment]:
    for _ in range(steps):
        attack, _ = match.choose()
        before, action = match.state, match.cunning(attack)
        outcome = match.apply(action, attack)
        yield Moment(before, action, attack, outcome, match.state)


def ints(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


def unit_weights(size: int) -> torch.Tensor:
    """A table that counts members; whole bytes, so that sets of ports may be counted too."""
    return bits.weights_of([1] * (8 * math.ceil(size / 8)), torch.device("cpu"))


def drawn(sets: torch.Tensor, chance: torch.Tensor, size: int = 31) -> torch.Tensor:
    return bits.draw(sets, chance, unit_weights(size), bits.nth_members(torch.device("cpu")))


def calm(match: Match, action: torch.Tensor) -> Outcome:
    """A step in which red sleeps."""
    attack, _ = match.choose()
    return match.apply(action, attack)


# Privilege.


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("name", NAMES)
def test_privilege_comes_by_escalation_or_a_root_exploit(name: str, variant: Variant) -> None:
    match, gains = Match(name, variant, num_envs=60, seed=3), 0
    for moment in moments(match, 150):
        gained = moment.after.privileged & ~moment.before.privileged
        for i in gained.nonzero()[:, 0].tolist():
            kind, target, exploit, _ = (int(each[i]) for each in moment.attack)
            assert members_of(int(gained[i])) == {target}
            assert moment.after.success[i]
            assert kind == ESCALATE or (kind == EXPLOIT and brings_root(match, target, exploit))
            gains += 1
        assert (moment.after.privileged & match.tables.foothold).all()
    assert gains > 100


def brings_root(match: Match, host: int, exploit: int) -> bool:
    scenario = match.scenario
    name = scenario.catalogue.exploits[exploit].name
    return scenario.image(scenario.hosts[host]).exploits.get(name) == "root"


@pytest.mark.parametrize("name", NAMES)
def test_inner_hosts_fall_only_to_who_holds_an_outer_one(name: str) -> None:
    match, taken, kept_out = Match(name, reds=("B_line", "Meander"), num_envs=60, seed=4), 0, 0
    inside = torch.tensor([host.subnet == "Operational" for host in match.scenario.hosts])
    outside = sum(2**i for i, h in enumerate(match.scenario.hosts) if h.subnet == "Enterprise")
    for _, _, attack, _, after in moments(match, 200):
        # Red's move at an inner host changes nothing at the outer ones.
        held = (after.privileged | after.removable | after.unremovable) & outside != 0
        network = (attack.kind == EXPLOIT) | (attack.kind == SCAN)
        inner = network & inside[attack.target.clamp(0, len(inside) - 1).long()]
        got_in = after.success & ~after.empty_scan
        assert not (inner & got_in & ~held).any()
        taken += int((inner & got_in).sum())
        kept_out += int((inner & ~held).sum())
    assert min(taken, kept_out) > 20


@pytest.mark.parametrize("level", ["privileged", "removable", "unremovable", None])
def test_any_session_on_an_outer_host_opens_the_inner_ones(level: str | None) -> None:
    match = Match(reds=("Meander",))
    if level is not None:
        held = getattr(match.state, level) | 1 << ENTERPRISE0
        match.state = match.state._replace(**{level: held})
    scan = RedAction(ints(SCAN), ints(SERVER), ints(-1), torch.tensor([True]))
    match.apply(torch.tensor([0]), scan)
    assert bool(match.state.scanned & 1 << SERVER) == (level is not None)
    assert bool(match.state.empty_scan) == (level is None)


# Reward.


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("name", NAMES)
def test_the_reward_is_the_sum_of_what_is_lost(name: str, variant: Variant) -> None:
    match, seen = Match(name, variant, num_envs=60, seed=5), set()
    weights = torch.tensor([round(10 * host.weight) for host in match.scenario.hosts])
    first_restore = match.index("Restore", 0)
    for moment in moments(match, 150):
        privileged = moment.after.privileged[:, None] >> torch.arange(match.tables.hosts) & 1
        tenths = 100 * ~moment.after.service_up + (privileged * weights).sum(1)
        tenths += 10 * (moment.action >= first_restore)
        reward = moment.outcome.reward
        assert torch.equal(reward, -tenths / 10)
        assert (reward <= 0).all()
        seen |= set(reward.tolist())
    assert min(seen) < -10
    assert len(seen) > 10


def test_restore_costs_one_more_than_the_same_step_without() -> None:
    match = Match(num_envs=90, seed=6)
    for moment in moments(match, 80):
        other = match.index("Restore", DEFENDER)
        for action in (0, 1, match.index("Analyse", USER0)):
            plain = played(match, moment, action)
            restored = played(match, moment, other)
            assert torch.equal((10 * plain).round() - 10, (10 * restored).round())


def played(match: Match, moment: Moment, action: int) -> torch.Tensor:
    """The reward, had blue done this; nobody takes the Defender."""
    actions = torch.full((match.num_envs,), action)
    return dynamics.apply(match.tables, moment.before, actions, moment.attack)[1].reward


# Decoys.


def test_decoys_run_where_they_fit() -> None:
    match, each = Match(reds=("Sleep",), num_envs=104), torch.arange(104)
    fits = torch.tensor(PLACEABLE).t().flatten()
    assert torch.equal(calm(match, 28 + each).blue_success, fits == 1)
    running = torch.zeros(13, 104, dtype=torch.uint8)
    running[each % 13, each] = (fits << each // 13).byte()
    assert torch.equal(match.state.decoys, running)


def test_a_second_decoy_fits_where_its_port_is_still_free() -> None:
    match, each = Match(reds=("Sleep",), num_envs=832), torch.arange(832)
    first, second, host = each // 104, each // 13 % 8, each % 13
    calm(match, 28 + 13 * first + host)
    placed = calm(match, 28 + 13 * second + host).blue_success
    table = torch.tensor(PLACEABLE) == 1
    # Vsftpd opens Apache's port, and wants one that stays free.
    opened = (first == second) | (first == VSFTPD) & (second == APACHE)
    taken = opened & table[host, first] & (second != VSFTPD)
    assert torch.equal(placed, table[host, second] & ~taken)


def test_a_decoy_that_does_not_fit_changes_nothing() -> None:
    match, failures = Match(num_envs=60, seed=7), 0
    for moment in moments(match, 100):
        failed = (~moment.outcome.blue_success).nonzero()[:, 0]
        asleep, outcome = dynamics.apply(
            match.tables, moment.before, torch.zeros_like(moment.action), moment.attack
        )
        assert differing(rows(moment.after, failed), rows(asleep, failed)) == []
        assert torch.equal(moment.outcome.reward[failed], outcome.reward[failed])
        failures += len(failed)
    assert failures > 100


def test_decoys_in_play_are_those_that_fit() -> None:
    table = torch.tensor([sum(fits << d for d, fits in enumerate(row)) for row in PLACEABLE])
    match, most = Match(num_envs=60, seed=8), 0
    for moment in moments(match, 150):
        assert not (moment.after.decoys & ~table[:, None]).any()
        most = max(most, int((moment.after.decoys != 0).sum(0).max()))
    assert most > 8


def test_restore_clears_the_decoys_of_its_host_only() -> None:
    match = Match(reds=("Sleep",))
    for host in (ENTERPRISE0, USER0):
        for decoy in range(8):
            calm(match, torch.tensor([28 + 13 * decoy + host]))
    assert match.state.decoys[:, 0].tolist() == [0, 0b11000101, *[0] * 6, 0b01101001, *[0] * 4]
    calm(match, torch.tensor([match.index("Restore", ENTERPRISE0)]))
    assert match.state.decoys[:, 0].tolist() == [*[0] * 8, 0b01101001, *[0] * 4]


# Chance.


@given(st.integers(0, 2**31 - 1), st.floats(0, 1, exclude_max=True, width=32))
@settings(deadline=None, max_examples=300)
def test_a_drawn_member_is_the_one_at_its_share_of_the_chance(a: int, chance: float) -> None:
    inside = sorted(members_of(a))
    wanted = inside[int(chance * len(inside))] if inside else -1
    assert drawn(ints(a), torch.tensor([chance])).tolist() == [wanted]


def test_the_ends_of_chance_draw_the_ends_of_every_set() -> None:
    generator = torch.Generator().manual_seed(0)
    for size in range(1, 32):
        order = torch.rand((50, 31), generator=generator).argsort(1)[:, :size]
        sets = (1 << order).sum(1).int()
        assert drawn(sets, torch.zeros(50)).tolist() == order.min(1).values.tolist()
        last = drawn(sets, torch.full((50,), BELOW_ONE))
        assert last.tolist() == order.max(1).values.tolist()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 24, 30, 31])
def test_draws_are_uniform(size: int) -> None:
    generator, trials = torch.Generator().manual_seed(size), 4000 * size
    inside = torch.randperm(31, generator=generator)[:size]
    sets = (1 << inside).sum().int().expand(trials)
    counts = drawn(sets, torch.rand(trials, generator=generator)).bincount(minlength=31)
    assert counts.sum() == counts[inside].sum() == trials
    statistic = float(((counts[inside] - 4000) ** 2 / 4000).sum())
    # About normal, with mean size - 1 and variance 2 (size - 1).
    assert statistic - (size - 1) <= 4 * math.sqrt(2 * (size - 1))


@pytest.mark.parametrize("name", NAMES)
def test_targets_are_drawn_from_the_possible_ones(name: str) -> None:
    match = Match(name, num_envs=300, seed=9)
    for _ in range(100):
        attack, targets = match.choose()
        inside = targets >> attack.target.clamp(min=0) & 1
        assert torch.equal(inside == 1, targets != 0)
        assert torch.equal(attack.target == -1, targets == 0)
        match.apply(match.cunning(attack), attack)


@pytest.mark.parametrize("host", range(13))
def test_exploits_are_chosen_as_the_specification_says(host: int) -> None:
    trials = 20_000
    match = Match(num_envs=trials, seed=host)
    known = match.tables.services.genuine.byte()[:, None].expand(-1, trials)
    state = match.state._replace(known_ports=known)
    target = torch.full((trials,), host, dtype=torch.int32)
    chance = torch.rand(trials, generator=match.generator)
    counts = red.choose_exploit(match.tables, state, target, chance).bincount(minlength=8)
    for exploit in range(8):
        p = CHOICES[host].get(exploit, 0.0)
        deviation = abs(int(counts[exploit]) - trials * p)
        assert deviation <= 4 * math.sqrt(trials * p * (1 - p))


@given(st.sampled_from(NAMES), st.integers(0, 255), st.sampled_from([0.0, 0.75, BELOW_ONE]))
@settings(deadline=None)
def test_only_exploits_of_known_ports_are_chosen(name: str, known: int, chance: float) -> None:
    match = Match(name)
    state = match.state._replace(known_ports=torch.full_like(match.state.known_ports, known))
    chosen = int(red.choose_exploit(match.tables, state, ints(0), torch.tensor([chance])))
    catalogue = match.scenario.catalogue
    ports = {port for i, port in enumerate(catalogue.ports) if known >> i & 1}
    can = [e for e in catalogue.exploits if all(ports & set(needed) for needed in e.needs)]
    can.sort(key=lambda exploit: exploit.weight)
    if len(can) < 2:
        wanted = can
    else:
        wanted = [can[0] if chance == BELOW_ONE else can[-1] if chance < 0.75 else can[-2]]
    assert [catalogue.exploits[chosen]] * (chosen >= 0) == wanted


def test_red_is_noticed_in_nineteen_of_twenty() -> None:
    match = Match(num_envs=40_000, seed=10)
    attack, _ = match.choose()
    share = float(attack.detected.float().mean())
    assert abs(share - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 40_000)


# The batch.


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_types_and_shapes_stay(dtype: torch.dtype) -> None:
    match = Match(num_envs=30, seed=11)
    first = {name: (leaf.dtype, leaf.shape) for name, leaf in leaves(match.state).items()}
    assert {kind for kind, _ in first.values()} == {torch.int32, torch.uint8, torch.bool}
    for _ in range(60):
        action = match.below(145).to(dtype)
        chance = chances(match.generator, 30)
        match.state, outcome = dynamics.advance(match.tables, match.state, action, chance)
        now = {name: (leaf.dtype, leaf.shape) for name, leaf in leaves(match.state).items()}
        assert now == first
        told = {leaf.dtype for leaf in leaves(outcome).values()}
        assert told == {torch.float32, torch.bool, torch.int32}


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("name", NAMES)
def test_environments_do_not_see_each_other(name: str, variant: Variant) -> None:
    match = Match(name, variant, num_envs=45, seed=12)
    order = torch.randperm(45, generator=match.generator)
    mixed, single = rows(match.state, order), rows(match.state, torch.tensor([4]))
    for _ in range(120):
        chance, action = chances(match.generator, 45), match.below(match.scenario.num_actions)
        advance = dynamics.advance
        match.state, told = advance(match.tables, match.state, action, chance)
        mixed, also = advance(match.tables, mixed, action[order], chance[:, order])
        single, alone = advance(match.tables, single, action[4:5], chance[:, 4:5])
        for state, outcome, index in ((mixed, also, order), (single, alone, torch.tensor([4]))):
            assert differing(rows(match.state, index), state) == []
            assert differing(rows(told, index), outcome) == []


@pytest.mark.parametrize("red_name", ALL_REDS)
def test_a_new_episode_keeps_nothing_of_the_last(red_name: str) -> None:
    used, fresh = (
        Cage2(20, torch.Generator().manual_seed(seed), red=(red_name,), horizon=30)
        for seed in (1, 2)
    )
    dice = torch.Generator().manual_seed(3)
    for _ in range(30):
        obs, *_ = used.step(torch.randint(145, (20,), generator=dice))
    assert not obs.any()
    fresh.generator.set_state(used.generator.get_state())
    assert used.describe(7) == fresh.describe(7)
    assert differing(used._state, fresh._state) == []
    for _ in range(30):
        action = torch.randint(145, (20,), generator=dice)
        mine, theirs = used.step(action), fresh.step(action)
        assert torch.equal(mine[4]["final_obs"], theirs[4]["final_obs"])
        assert torch.equal(mine[1], theirs[1])
        assert torch.equal(mine[4]["red_target"], theirs[4]["red_target"])


# Sets.


def test_sets_of_one_and_the_lowest_member() -> None:
    assert bits.bit(ints(0, 3, 30, -1)).tolist() == [1, 8, 1 << 30, 0]
    assert bits.lowest(ints(0, 1, 12, 1 << 30, 0b1010_0000)).tolist() == [0, 1, 4, 1 << 30, 32]
    assert bits.mask([0, 2, 2, 30]) == 5 + (1 << 30)


def test_members_of_sets() -> None:
    assert bits.members(ints(0, 5, 8), 4).t().tolist() == [[0] * 4, [1, 0, 1, 0], [0, 0, 0, 1]]
    assert bits.members(ints(1 << 30), 31)[:, 0].tolist() == [0] * 30 + [1]
    assert bits.members(ints(1, 2).view(2, 1), 2).shape == (2, 2, 1)


def test_weights_are_summed_over_members() -> None:
    weights = bits.weights_of([3, 10, *[0] * 5, 7, 100, *[0] * 21, 1000], torch.device("cpu"))
    sets = ints(0, 1, 3, 0b1_1000_0000, 1 << 30, 2**31 - 1)
    assert bits.weigh(sets, weights).tolist() == [0, 3, 13, 107, 1000, 1120]
    assert bits.weigh(sets, weights).dtype == torch.int32


def test_sets_kept_where_a_condition_holds() -> None:
    assert bits.only(torch.tensor([True, False]), ints(6, 6)).tolist() == [6, 0]
    assert bits.overlap(ints(6, 6, 0), ints(2, 1, 7)).tolist() == [True, False, False]


def test_looking_up_and_putting_bytes() -> None:
    assert bits.look(ints(5, 6, 7), ints(2, 0, 2)).tolist() == [7, 5, 7]
    table = torch.tensor([[1, 2], [3, 255]], dtype=torch.uint8)
    assert bits.get(table, ints(1, 1)).tolist() == [3, 255]
    assert bits.put(table, ints(0, 1), ints(9, 8)).tolist() == [[9, 2], [3, 8]]
    assert table.tolist() == [[1, 2], [3, 255]]
