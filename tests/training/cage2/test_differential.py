"""The batched simulator does, step by step, what the plain-Python oracle does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch

from tests.training.cage2.play import ALL_REDS, Match, members_of
from tests.training.cage2.reference import (
    DECOY_HIT,
    NOTICED,
    REMOVABLE,
    ROOT,
    SILENT,
    UNCLEAR,
    UNREMOVABLE,
    BLine,
    Choice,
    Event,
    Machine,
    Meander,
    Red,
    Reference,
    Result,
    mask,
)
from training.cage2 import red as red_rules
from training.cage2.scenario import Variant
from training.cage2.state import RedAction, State

SCENARIOS = ("official", "generated-5", "generated-8-3", "generated-20", "generated-31-1")
BATCH = 20  # each temper four times, twice with rare draws
SHOWN = {SILENT: "silent", NOTICED: "noticed", UNCLEAR: "unclear", DECOY_HIT: "decoy hit"}
SETS = ("privileged", "removable", "unremovable", "malware", "restored", "scanned")

# What a run must have brought about somewhere, so that its agreement means something.
RARE = {
    *(f"exploit {i}" for i in range(8)),
    *("swept", "sweep failed", "scan", "scan empty", "escalated", "escalation failed"),
    *("impact", "impact failed", "impact disarmed", "sleep"),
    *("exploit out of reach", "exploit with nothing known", "exploit of a port now closed"),
    *("user noticed", "user unclear", "root noticed", "root unclear", "repelled noticed"),
    *("None silent", "None decoy hit", "None noticed"),  # the last is a brute force on a decoy
    *("scan beside a decoy", "scan masked by a decoy"),
    *("user noticed beside a decoy", "user unclear beside a decoy"),
    *("root noticed beside a decoy", "root unclear beside a decoy"),
    *("repelled noticed beside a decoy", "None decoy hit beside a decoy"),
    *("None noticed beside a decoy", "None silent beside a decoy"),
    *("B_line starts over", "B_line attacks the server again, unscanned"),
    *("Meander doubts inner hosts", "Meander doubts outer hosts"),
    *("decoy placed", "decoy refused", "decoy placed again", "session stays", "session removed"),
    *("Analyse finds", "Analyse finds nothing", "lb: crash", "lb: crash beside a decoy"),
}


class Witness(Reference):
    """An oracle that counts what happens."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.seen: Counter[str] = Counter()

    def possible(self) -> Choice:
        agent, past = self.agent, self._past
        stage = agent.position if isinstance(agent, BLine) else 0
        escalated = set(agent.done[Red.ESCALATE]) if isinstance(agent, Meander) else set()
        choice = super().possible()
        if isinstance(agent, BLine) and past is not None:
            self.seen["B_line starts over"] += stage == 11 and agent.position == 1
            again = stage == 11 and agent.position == 12 and past[3]
            self.seen["B_line attacks the server again, unscanned"] += again
        if isinstance(agent, Meander) and past is not None and past[0] == Red.EXPLOIT:
            for host in escalated - agent.done[Red.ESCALATE]:
                subnet = self.scenario.hosts[host].subnet
                self.seen[f"Meander doubts {'inner' if subnet[0] == 'O' else 'outer'} hosts"] += 1
        return choice

    def _blue(self, verb: str, host: int) -> bool:
        before = Machine(**vars(self.machines[host]) | {"decoys": set(self.machines[host].decoys)})
        user = before.sessions & {REMOVABLE, UNREMOVABLE}
        success = super()._blue(verb, host)
        if verb in self.decoys:
            again = success and self.decoys.index(verb) in before.decoys
            result = "placed again" if again else "placed" if success else "refused"
            self.seen[f"decoy {result}"] += 1
        elif verb == "Analyse":
            self.seen["Analyse finds" if before.malware else "Analyse finds nothing"] += 1
        elif verb == "Remove" and user:
            left = user & self.machines[host].sessions
            self.seen["session stays" if left else "session removed"] += 1
        return success

    def _red(self, kind: Red, target: int, exploit: int, detected: bool) -> tuple[bool, Event]:
        stoppable, up = self.service_stoppable, self.service_up
        success, event = super()._red(kind, target, exploit, detected)
        self.told, self.shows = event, "sleep"
        if kind == Red.SWEEP:
            self.shows = "swept" if success else "sweep failed"
        elif kind == Red.SCAN:
            self.shows = "scan empty" if event == SILENT else "scan"
        elif kind == Red.ESCALATE:
            self.shows = "escalated" if success else "escalation failed"
        elif kind == Red.IMPACT:
            disarmed = success and not stoppable and up
            self.shows = "impact disarmed" if disarmed else "impact" if success else "impact failed"
        elif kind == Red.EXPLOIT:
            self.shows = self._exploited(target, exploit, success, event)
        return success, event

    def _exploited(self, target: int, exploit: int, success: bool, event: Event) -> str:
        if exploit < 0:
            return "exploit with nothing known"
        self.seen[f"exploit {exploit}"] += 1
        names = [subnet.name for subnet in self.scenario.subnets]
        if not self._reachable(names.index(self.scenario.hosts[target].subnet)):
            return "exploit out of reach"
        each = self.scenario.catalogue.exploits[exploit]
        gain = self.images[target].exploits.get(each.name)
        if gain is not None and not success and event == UNCLEAR:
            return "lb: crash"
        open_now = self._listening(target)
        if not all(open_now & {*needs} for needs in each.needs):
            self.seen["exploit of a port now closed"] += 1
        return f"{gain} {SHOWN[event]}"

    def step(self, *given: Any) -> Result:
        result = super().step(*given)
        row, host = divmod(given[0] - 2, len(self.machines))
        placed = given[0] >= 2 and self.scenario.actions[row] in self.decoys and result.blue_success
        beside = placed and host == given[1] and self.shows.split()[0] not in {"swept", "sweep"}
        masked = self.shows == "scan" and self.told[1] == (0, 0)
        suffix = " masked by a decoy" if masked else " beside a decoy"
        self.seen[self.shows + suffix * bool(beside)] += 1
        return result


def expected(oracle: Reference) -> dict[str, Any]:
    """The oracle's hidden state, as the simulator keeps it."""
    machines, order = oracle.machines, oracle.scenario.catalogue.ports

    def having(test: Callable[[Machine], object]) -> int:
        return mask(i for i, machine in enumerate(machines) if test(machine))

    privileged = having(lambda host: ROOT in host.sessions)
    return {
        "privileged": privileged,
        "removable": having(lambda host: REMOVABLE in host.sessions) & ~privileged,
        "unremovable": having(lambda host: UNREMOVABLE in host.sessions) & ~privileged,
        "malware": having(lambda host: host.malware),
        "restored": having(lambda host: host.restored),
        "scanned": having(lambda host: host.ports is not None),
        "decoys": [mask(host.decoys) for host in machines],
        "known_ports": [
            mask(order.index(port) for port in host.ports or () if port in order)
            for host in machines
        ],
        "service_up": oracle.service_up,
        "stoppable": oracle.service_stoppable,
        "knows_service": oracle.red_knows_service,
    }


def actual(state: State) -> list[dict[str, Any]]:
    """The simulator's hidden state, one for each environment."""
    user = ~state.privileged
    told = state._replace(removable=state.removable & user, unremovable=state.unremovable & user)
    names = (*SETS, "service_up", "stoppable", "knows_service")
    columns = {name: getattr(told, name).tolist() for name in names}
    columns |= {name: getattr(told, name).t().tolist() for name in ("decoys", "known_ports")}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def expected_memory(agent: object) -> dict[str, Any]:
    """What the oracle's red remembers when it chooses."""
    if isinstance(agent, BLine):
        drawn = "revealed" in agent.route
        return {
            "stage": agent.position,
            "entry": mask(agent.route["entry"]) if drawn else 0,
            "follow": mask(agent.route["revealed"]) if drawn else 0,
            "at_server": agent.server_attacked,
        }
    if not isinstance(agent, Meander):
        return {}
    return {
        "exploited": mask(agent.done[Red.EXPLOIT]),
        "escalated": mask(agent.done[Red.ESCALATE]),
        "scanned": mask(agent.done[Red.SCAN]),
        "swept_subnets": mask(agent.done[Red.SWEEP]),
        "mapped": mask(agent.mapped),
        "addresses": mask(agent.addresses),
        "names": mask(agent.names),
        "known_subnets": mask(agent.subnets),
    }


def actual_memory(state: State, agent: object) -> list[dict[str, Any]]:
    memory = state.b_line if isinstance(agent, BLine) else state.meander
    names = expected_memory(agent)
    columns = [getattr(memory, name).tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def usable(match: Match, target: torch.Tensor) -> list[set[int]]:
    """Which exploits red may try, in the catalogue's numbers."""
    order = match.tables.exploits.by_weight.tolist()
    sets = red_rules.usable(match.tables, match.state, target).tolist()
    return [{order[i] for i in members_of(each)} for each in sets]


def with_rare_draws(match: Match, attack: RedAction, can: list[set[int]]) -> RedAction:
    """In every other environment: any exploit, and unnoticed as often as not."""
    odd, pick = torch.arange(BATCH) % 2 == 1, match.below(840).tolist()
    any_ = [sorted(each)[n % len(each)] if each else -1 for each, n in zip(can, pick, strict=True)]
    odd_exploit = odd & (attack.kind == Red.EXPLOIT)
    return attack._replace(
        exploit=torch.where(odd_exploit, torch.tensor(any_, dtype=torch.int32), attack.exploit),
        detected=torch.where(odd, match.below(2) == 1, attack.detected),
    )


@cache
def play(variant: Variant, red: str, scenario: str) -> Counter[str]:
    """Play both side by side and compare everything; what happened on the way."""
    match = Match(scenario, variant, (red,), BATCH, seed=2)
    oracles = [Witness(match.scenario, variant, red) for _ in range(BATCH)]
    assert match.observe().tolist() == [oracle.reset() for oracle in oracles]
    steps = 30 if red == "Sleep" else 50 + 6 * match.tables.hosts
    for step in range(steps):
        compare_step(match, oracles, f"at step {step} in environment")
    return sum((oracle.seen for oracle in oracles), Counter())


def compare_step(match: Match, oracles: list[Witness], where: str) -> None:
    attack, targets = match.choose()
    choices = [oracle.possible() for oracle in oracles]
    remembered = actual_memory(match.state, oracles[0].agent)
    can = usable(match, attack.target)
    attack = with_rare_draws(match, attack, can)
    kinds, moves = attack.kind.tolist(), zip(*(each.tolist() for each in attack[1:]), strict=True)
    for i, oracle in enumerate(oracles):
        wanted = members_of(int(targets[i])) or {-1}
        assert (kinds[i], wanted) == choices[i], f"choice {where} {i}"
        if remembered:
            assert remembered[i] == expected_memory(oracle.agent), f"memory {where} {i}"
        if kinds[i] == Red.EXPLOIT:
            assert can[i] == {*oracle.exploits_available(int(attack.target[i]))}, f"{where} {i}"
    blue = match.cunning(attack)
    outcome = match.apply(blue, attack)
    results = [
        oracle.step(action, *move)
        for oracle, action, move in zip(oracles, blue.tolist(), moves, strict=True)
    ]
    compare_results(match, oracles, results, outcome, where)


def compare_results(
    match: Match, oracles: list[Witness], results: list[Result], outcome: Any, where: str
) -> None:
    observed, states = match.observe().tolist(), actual(match.state)
    rewards, succeeded = outcome.reward.tolist(), match.state.success.tolist()
    for i, (oracle, result) in enumerate(zip(oracles, results, strict=True)):
        assert states[i] == expected(oracle), f"state {where} {i}"
        assert observed[i] == result.obs, f"observation {where} {i}"
        assert rewards[i] == torch.tensor(result.reward).item(), f"reward {where} {i}"
        assert succeeded[i] == (result.red_success == 1), f"red's success {where} {i}"
        assert bool(outcome.blue_success[i]) == bool(result.blue_success), f"blue's {where} {i}"


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("red", ALL_REDS)
@pytest.mark.parametrize("variant", Variant)
def test_the_simulator_does_what_the_oracle_does(variant: Variant, red: str, scenario: str) -> None:
    play(variant, red, scenario)


def test_everything_rare_happened() -> None:
    runs = [play(v, red, name) for v in Variant for red in ALL_REDS for name in SCENARIOS]
    seen = sum(runs, Counter())
    missing = sorted(RARE - seen.keys())
    assert not missing
