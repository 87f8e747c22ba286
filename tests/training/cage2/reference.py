"""CAGE-2 for one environment in plain Python: the oracle of the batched simulator's tests.

Written from the specification (shared/cage2/spec.md, whose sections § names) and no other code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from training.cage2.scenario import Scenario, Variant


class Red(IntEnum):
    """Red's kinds of action, numbered as in the traces."""

    SLEEP, SWEEP, SCAN, EXPLOIT, ESCALATE, IMPACT = range(6)


Bits = tuple[int, int]
Choice = tuple[Red, set[int]]
Past = tuple[Red, int, bool, bool]  # kind, target, success, whether it was an empty scan
Event = tuple[Bits, Bits]  # as shown; as shown beside a decoy placed there in the same step

BEST: Final = 0.75  # how often red takes the heaviest of several exploits
NOTHING, SCANNED, EXPLOITED = (0, 0), (1, 0), (1, 1)  # activities
ROOT, REMOVABLE, UNREMOVABLE = "root", "removable", "unremovable"  # sessions
NO, UNKNOWN, USER, PRIVILEGED = (0, 0), (1, 0), (0, 1), (1, 1)  # verdicts
SILENT: Final[Event] = (NOTHING, NOTHING)
NOTICED: Final[Event] = (EXPLOITED, EXPLOITED)  # a detected exploit, or a brute force
UNCLEAR: Final[Event] = (SCANNED, NOTHING)  # an undetected exploit, or a crash
DECOY_HIT: Final[Event] = (SCANNED, EXPLOITED)
# B_line's stages, and where it goes from each after a failure (§10).
ROLES: Final = ("entry", "revealed", "pivot", "server")
WALK: Final = [(kind, role) for role in ROLES for kind in (Red.SCAN, Red.EXPLOIT, Red.ESCALATE)]
ENDS: Final = ((Red.SWEEP, "foothold"), (Red.SWEEP, "pivot"), (Red.IMPACT, "server"))
STAGES: Final = (ENDS[0], *WALK[:6], ENDS[1], *WALK[6:], ENDS[2])
JUMP: Final = (0, 1, 2, 2, 2, 2, 5, 5, 5, 5, 9, 9, 9, 12, 13)


class Result(NamedTuple):
    """What one step shows."""

    obs: list[int]
    reward: float
    red_success: int  # as in the traces: 2 for Sleep
    blue_success: int


@dataclass
class Machine:
    """A host's hidden state (§2) and blue's verdict of it."""

    sessions: set[str] = field(default_factory=set)
    malware: bool = False
    restored: bool = False
    decoys: set[int] = field(default_factory=set)
    ports: set[int] | None = None  # what red remembers; None: never scanned
    verdict: Bits = NO


class Agent:
    """Red's memory and its rules; this one sleeps."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    def learn(self, kind: Red, target: int, success: bool, empty: bool) -> None:
        """Update the memory by what the last action came to."""

    def choices(self) -> Choice:
        """The kind of the next action and its possible targets."""
        return Red.SLEEP, {-1}

    def act(self, kind: Red, target: int) -> None:
        """Note the choice."""

    def internal(self) -> list[int]:
        """The memory as the traces record it."""
        return [0, 0, 0, 0]


class BLine(Agent):
    """Red that walks the shortest way (§10)."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.position, self.server_attacked = 0, False
        ends = {"foothold": scenario.foothold, "pivot": scenario.pivot, "server": scenario.server}
        self.route = {role: {scenario.index(name)} for role, name in ends.items()}
        self.route["entry"] = {scenario.index(name) for name in scenario.entries}

    def learn(self, kind: Red, target: int, success: bool, empty: bool) -> None:
        if self.position == 1:  # keep the first host, and so the second, for the whole episode
            revealed = self.scenario.hosts[target].reveals
            assert revealed is not None, "the scenario checks that entries reveal a host"
            self.route |= {"entry": {target}, "revealed": {self.scenario.index(revealed)}}
        self.position = min(self.position + 1, 14) if success else JUMP[self.position]
        if self.position == 12 and not self.server_attacked:
            # An empty scan leaves nothing to fix this stage's target by: the walk begins anew.
            self.position, self.server_attacked = (1, False) if empty else (12, True)

    def choices(self) -> Choice:
        kind, role = STAGES[self.position]
        hosts = self.route[role]
        return kind, subnets_of(self.scenario, hosts) if kind == Red.SWEEP else set(hosts)

    def internal(self) -> list[int]:
        return [self.position, 0, 0, 0]


class Meander(Agent):
    """Red that takes every host it can find (§11)."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.server = scenario.index(scenario.server)
        self.names = {scenario.index(scenario.foothold)}
        self.addresses, self.subnets = set(self.names), subnets_of(scenario, self.names)
        self.mapped: set[int] = set()
        self.done: dict[Red, set[int]] = {kind: set() for kind in Red}  # unless taken back

    def learn(self, kind: Red, target: int, success: bool, empty: bool) -> None:
        if success:
            self._discover(kind, target)
        elif kind == Red.EXPLOIT:
            self.done[Red.EXPLOIT].discard(target)
            self._forget()
        elif kind in (Red.ESCALATE, Red.IMPACT):
            self.done[Red.ESCALATE].discard(target)
            self.done[Red.EXPLOIT] -= {target} & self.mapped

    def _discover(self, kind: Red, target: int) -> None:
        scenario = self.scenario
        if kind == Red.SWEEP:
            self.addresses.update(scenario.in_subnet(scenario.subnets[target].name))
        elif kind == Red.EXPLOIT:
            self.names.add(target)
            self.mapped.add(target)
        elif kind == Red.ESCALATE:
            # Only now does red know the subnet: a revealed address alone does not show it.
            self.subnets |= subnets_of(scenario, {target})
            if (revealed := scenario.hosts[target].reveals) is not None:
                self.addresses.add(scenario.index(revealed))

    def _forget(self) -> None:
        behind = {subnet.name: subnet.behind for subnet in self.scenario.subnets if subnet.behind}
        subnet = {host: self.scenario.hosts[host].subnet for host in self.done[Red.ESCALATE]}
        lost = {host for host in subnet if subnet[host] in behind}
        lost = lost or {host for host in subnet if subnet[host] in behind.values()}
        self.done[Red.ESCALATE] -= lost
        self.done[Red.EXPLOIT] -= lost

    def choices(self) -> Choice:
        escalated, exploited = self.done[Red.ESCALATE], self.done[Red.EXPLOIT]
        rules = (
            (Red.IMPACT, escalated & {self.server}),
            (Red.SWEEP, set(sorted(self.subnets - self.done[Red.SWEEP])[:1])),
            (Red.SCAN, self.addresses - self.done[Red.SCAN]),
            (Red.ESCALATE, self.names - escalated - (self.mapped - exploited)),
            (Red.EXPLOIT, self.addresses - exploited),
        )
        return next((rule for rule in rules if rule[1]), (Red.SLEEP, {-1}))

    def act(self, kind: Red, target: int) -> None:
        self.done[kind].add(target)

    def internal(self) -> list[int]:
        kinds = (Red.EXPLOIT, Red.ESCALATE, Red.SCAN, Red.SWEEP)
        return [mask(self.done[kind]) for kind in kinds]


AGENTS: Final = {"B_line": BLine, "Meander": Meander, "Sleep": Agent}


class Reference:
    """One environment; whoever steps it decides red's targets, exploits and detections."""

    def __init__(self, scenario: Scenario, variant: Variant, red: str) -> None:
        self.scenario, self.variant, self.red = scenario, variant, red
        self.foothold = scenario.index(scenario.foothold)
        self.server = scenario.index(scenario.server)
        self.images = [scenario.image(host) for host in scenario.hosts]
        self.repaired, kinds = variant == Variant.REPAIRED, scenario.catalogue.decoys
        self.decoys = [kind.name for kind in kinds]
        self.opens = [(not self.repaired and kind.opens) or kind.port for kind in kinds]
        self.traps = [(self.repaired and kind.repaired) or kind.traps for kind in kinds]
        self.reset()

    def reset(self) -> list[int]:
        """Start an episode; the first observation."""
        self.machines = [Machine() for _ in self.scenario.hosts]
        self.machines[self.foothold].sessions.add(ROOT)
        self.service_up = self.service_stoppable = True
        self.red_knows_service = False
        self.agent = AGENTS[self.red](self.scenario)
        self._past: Past | None = (Red.SLEEP, -1, False, False)
        return self._observation({})

    def possible(self) -> Choice:
        """Red's next kind of action and its targets: each may be passed to ``step``."""
        if self._past is not None:
            self.agent.learn(*self._past)
            self._past = None  # learn it once
        return self.agent.choices()

    def exploits_available(self, target: int) -> dict[int, float]:
        """The exploits that red may try by the ports it remembers, and how probably (§7.2)."""
        known, exploits = self.machines[target].ports or set(), self.scenario.catalogue.exploits
        usable = [i for i, each in enumerate(exploits) if all(known & {*n} for n in each.needs)]
        if len(usable) <= 1:
            return dict.fromkeys(usable, 1.0)
        best = max(usable, key=lambda i: exploits[i].weight)
        return dict.fromkeys(usable, (1 - BEST) / (len(usable) - 1)) | {best: BEST}

    def step(self, blue_action: int, red_target: int, exploit: int, detected: bool) -> Result:
        """Blue acts, then red, then monitoring reports (§5); ValueError if red cannot do that."""
        kind, targets = self.possible()
        usable = self.exploits_available(red_target) if kind == Red.EXPLOIT else {}
        if red_target not in targets or exploit not in (usable or {-1}):
            raise ValueError(f"{kind.name} {red_target} by {exploit}: may be {targets}, {usable}")
        self.agent.act(kind, red_target)
        row, host = divmod(blue_action - 2, len(self.machines))
        verb = self.scenario.actions[row] if blue_action >= 2 else "Sleep"
        blue_success = self._blue(verb, host)
        evidence = verb == "Analyse" and self.machines[host].malware  # before red acts
        success, event = self._red(kind, red_target, exploit, detected)
        self._past = (kind, red_target, success, kind == Red.SCAN and event == SILENT)
        activity = event[verb in self.decoys and blue_success and host == red_target]
        if activity == EXPLOITED:
            self.machines[red_target].verdict = USER
        if evidence:
            self.machines[host].verdict = PRIVILEGED
        return Result(
            self._observation({red_target: activity}),
            self._reward(verb),
            2 if kind == Red.SLEEP else int(success),
            2 if blue_action == 0 else int(blue_success),
        )

    def _blue(self, verb: str, host: int) -> bool:
        """Do what blue does; its success, which only a decoy can lack."""
        machine = self.machines[host]
        if verb == "Remove":
            machine.sessions -= {REMOVABLE, UNREMOVABLE} if self.repaired else {REMOVABLE}
            machine.verdict = NO if machine.verdict == NO else UNKNOWN
        elif verb == "Restore":
            sessions = {ROOT} if host == self.foothold else set()
            # What red remembers of the ports is its own.
            self.machines[host] = Machine(sessions, restored=True, ports=machine.ports)
            self.service_up |= host == self.server
            self.service_stoppable &= host != self.server or self.repaired
        elif verb in self.decoys:
            decoy = self.scenario.catalogue.decoys[self.decoys.index(verb)]
            if self.images[host].system not in decoy.systems or decoy.port in self._listening(host):
                return False
            machine.decoys.add(self.decoys.index(verb))
        return True

    def _listening(self, host: int) -> set[int]:
        opened = {self.opens[decoy] for decoy in self.machines[host].decoys}
        return opened.union(self.images[host].listens)

    def _reachable(self, subnet: int) -> bool:
        gate = self.scenario.subnets[subnet].behind
        return gate is None or any(self.machines[i].sessions for i in self.scenario.in_subnet(gate))

    def _red(self, kind: Red, target: int, exploit: int, detected: bool) -> tuple[bool, Event]:
        """Do what red does: whether it succeeds, and what there is to notice."""
        if kind in (Red.SLEEP, Red.SWEEP):
            return kind == Red.SWEEP and self._reachable(target), SILENT
        machine, held = self.machines[target], bool(self.machines[target].sessions)
        reachable = all(map(self._reachable, subnets_of(self.scenario, {target})))
        if kind == Red.SCAN:
            return True, self._scan(target) if reachable else SILENT
        if kind == Red.EXPLOIT:
            possible = reachable and exploit >= 0
            return self._exploit(target, exploit, detected) if possible else (False, SILENT)
        if kind == Red.ESCALATE and held:
            machine.malware |= ROOT not in machine.sessions  # else nothing is left to do
            machine.sessions.add(ROOT)
            self.red_knows_service |= target == self.server
        elif kind == Red.IMPACT and held and self.red_knows_service:
            self.service_up &= not self.service_stoppable
        return held and (kind == Red.ESCALATE or self.red_knows_service), SILENT

    def _scan(self, target: int) -> Event:
        machine, ports = self.machines[target], self._listening(target)
        kept = machine.ports if self.variant == Variant.LB else None
        machine.ports = ports | (kept or set())
        return SCANNED, SCANNED if len(ports) >= 3 else NOTHING

    def _exploit(self, target: int, index: int, detected: bool) -> tuple[bool, Event]:
        machine, exploit = self.machines[target], self.scenario.catalogue.exploits[index]
        gain = self.images[target].exploits.get(exploit.name)
        if gain is None:
            trapped = NOTICED if exploit.brute_force else DECOY_HIT
            traps = {self.traps[decoy] for decoy in machine.decoys}
            return False, trapped if exploit.name in traps else SILENT
        if gain == "repelled":
            return False, NOTICED
        if self.variant == Variant.LB and exploit.crashes_after_restore and machine.restored:
            return False, UNCLEAR
        tied = REMOVABLE if detected and not exploit.brute_force else UNREMOVABLE
        machine.sessions.add(ROOT if gain == "root" else tied)
        machine.malware |= not exploit.brute_force
        return True, NOTICED if detected or exploit.brute_force else UNCLEAR

    def _observation(self, shown: dict[int, Bits]) -> list[int]:
        rows = [(*shown.get(i, NOTHING), *host.verdict) for i, host in enumerate(self.machines)]
        return [bit for row in rows for bit in row]

    def _reward(self, verb: str) -> float:
        """Counted in tenths, so that sums are exact (§12)."""
        pairs = zip(self.scenario.hosts, self.machines, strict=True)
        tenths = sum(round(10 * host.weight) for host, machine in pairs if ROOT in machine.sessions)
        return -(tenths + 100 * (not self.service_up) + 10 * (verb == "Restore")) / 10

    def per_host(self) -> dict[str, list[int]]:
        """The hidden state of every host, named and coded as in the traces."""
        machines, order = self.machines, self.scenario.catalogue.ports
        sessions = [machine.sessions for machine in machines]
        known = [(machine.ports or set()).intersection(order) for machine in machines]
        return {
            "true_comp": [2 if ROOT in held else int(bool(held)) for held in sessions],
            "sess_removable": [int(REMOVABLE in held) for held in sessions],
            "sess_unremovable": [int(UNREMOVABLE in held) for held in sessions],
            "malware": [int(machine.malware) for machine in machines],
            "decoys": [mask(machine.decoys) for machine in machines],
            "red_scanned": [int(machine.ports is not None) for machine in machines],
            "red_ports": [mask(map(order.index, ports)) for ports in known],
        }

    @property
    def red_internal(self) -> list[int]:
        """Red's memory at its last choice, as the traces record it."""
        return self.agent.internal()


def mask(bits: Iterable[int]) -> int:
    """A set as an integer."""
    return sum(1 << bit for bit in bits)


def subnets_of(scenario: Scenario, hosts: Iterable[int]) -> set[int]:
    """The indices of the hosts' subnets."""
    names = [subnet.name for subnet in scenario.subnets]
    return {names.index(scenario.hosts[host].subnet) for host in hosts}
