"""Batches of networks in play: what the tests of the simulator share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

import torch

from training.cage2 import dynamics, monitor
from training.cage2.codes import B_LINE, IMPACT, REDS, SWEEP
from training.cage2.scenario import Scenario, Variant, load
from training.cage2.state import Outcome, RedAction, State, initial
from training.cage2.tables import compile_tables

Tree = TypeVar("Tree", bound=tuple)  # type: ignore[type-arg]
Policy = Callable[[torch.Generator, int, int], torch.Tensor]  # batch, step -> actions

CPU: Final = torch.device("cpu")
ALL_REDS: Final = ("B_line", "Meander", "Sleep")

# Where a decoy can be placed on a clean host of the official network: the specification's §4.
_SERVER: Final = (1, 0, 1, 0, 0, 0, 1, 1)  # Apache Femitter Haraka Smss SSHD Svchost Tomcat Vsftpd
_WINDOWS: Final = (0, 1, 0, 0, 0, 0, 0, 0)
_FTP: Final = (1, 0, 0, 1, 0, 1, 1, 0)
PLACEABLE: Final = (
    *(_SERVER, _SERVER, _WINDOWS, _WINDOWS),  # Defender, Enterprise0 to 2
    *(_SERVER, _SERVER, _SERVER, _SERVER),  # Op_Host0 to 2, Op_Server0
    *(_FTP, _FTP, (1, 1, 0, 0, 1, 0, 1, 0)),  # User0 to 2
    *((0, 0, 0, 0, 1, 0, 0, 1), (0, 0, 0, 0, 0, 0, 0, 1)),  # User3, User4
)


class Match:
    """A batch in play; environment ``i`` meets red agent ``reds[i % len(reds)]``."""

    def __init__(
        self,
        scenario: str = "official",
        variant: Variant = Variant.HEAD,
        reds: Sequence[str] = ALL_REDS,
        num_envs: int = 1,
        seed: int = 0,
    ) -> None:
        self.scenario, self.num_envs = load(scenario), num_envs
        self.tables = compile_tables(self.scenario, variant, CPU)
        self.generator = torch.Generator().manual_seed(seed)
        kinds = [REDS[reds[i % len(reds)]] for i in range(num_envs)]
        self.state = initial(self.tables, torch.tensor(kinds, dtype=torch.int32))

    def choose(self) -> tuple[RedAction, torch.Tensor]:
        """Red's next action and the sets of targets that it was drawn from."""
        self.state, kind, targets = dynamics.prepare(self.tables, self.state)
        chance = chances(self.generator, self.num_envs)
        return dynamics.choose(self.tables, self.state, kind, targets, chance), targets

    def apply(self, action: torch.Tensor, attack: RedAction) -> Outcome:
        """Blue's action and red's."""
        self.state, outcome = dynamics.apply(self.tables, self.state, action, attack)
        return outcome

    def observe(self) -> torch.Tensor:
        """What blue sees, ``(B, 4H)``."""
        return monitor.observe(self.tables, self.state.view)

    def held(self) -> torch.Tensor:
        """Sets of the hosts on which red has a session."""
        return self.state.privileged | self.state.removable | self.state.unremovable

    def index(self, kind: str, host: int) -> int:
        """The number of blue's action."""
        return number(self.scenario, kind, host)

    def cunning(self, attack: RedAction) -> torch.Tensor:
        """Blue's actions ``(B,)``, drawn to bring about what is rare, with red's move known."""
        tempers = torch.arange(self.num_envs) % len(TEMPERS)
        tactic = torch.multinomial(TEMPERS[tempers], 1, generator=self.generator)[:, 0]
        besieged = (tempers == SIEGE) & (attack.kind == IMPACT)
        # Between these stages B_line must not notice that its way back is cut.
        stage, walking = self.state.b_line.stage, self.state.red == B_LINE
        late = (tempers == SIEGE) & walking & ((stage == 8) | (stage == 11))
        tactic = torch.where(besieged | late, BESIEGE, tactic)
        moves = torch.stack([move(self, attack) for move in TACTICS])
        return moves[tactic, torch.arange(self.num_envs)]

    def below(self, limit: int) -> torch.Tensor:
        """Random numbers ``(B,)``."""
        return torch.randint(limit, (self.num_envs,), generator=self.generator)

    def one_of(self, sets: torch.Tensor) -> torch.Tensor:
        """A random member of each set of hosts; of an empty one any host."""
        inside = sets[:, None] >> torch.arange(self.tables.hosts) & 1
        chosen = torch.multinomial(inside + 1e-6, 1, generator=self.generator)
        return chosen[:, 0]

    def target(self, attack: RedAction) -> torch.Tensor:
        """The host that red acts on, or any."""
        some = self.below(self.tables.hosts)
        return torch.where((attack.target < 0) | (attack.kind == SWEEP), some, attack.target.long())

    def does(self, kind: str, host: torch.Tensor) -> torch.Tensor:
        return self.index(kind, 0) + host

    def lures(self, host: torch.Tensor) -> torch.Tensor:
        """Some decoy that a clean host takes."""
        kinds = self.scenario.catalogue.decoys
        images = [self.scenario.image(each) for each in self.scenario.hosts]
        fits = [[d.port not in i.listens and i.system in d.systems for d in kinds] for i in images]
        weights = torch.tensor(fits)[host] + 1e-6
        decoy = torch.multinomial(weights, 1, generator=self.generator)[:, 0]
        return self.index(kinds[0].name, 0) + decoy * self.tables.hosts + host

    def evicts(self, attack: RedAction) -> torch.Tensor:
        """Restore an outer host in red's hands; if there is none, what red is after."""
        gateways = self.held() & self.tables.outer
        host = torch.where(gateways > 0, self.one_of(gateways), self.target(attack))
        return self.does("Restore", host)


TACTICS: Final[tuple[Callable[[Match, RedAction], torch.Tensor], ...]] = (
    lambda match, _: match.below(2),
    lambda match, _: match.below(match.scenario.num_actions),
    lambda match, _: match.lures(match.below(match.tables.hosts)),
    lambda match, attack: match.lures(match.target(attack)),
    lambda match, _: match.does("Analyse", match.one_of(match.state.malware)),
    lambda match, _: match.does("Remove", match.one_of(match.held())),
    lambda match, _: match.does("Restore", match.one_of(match.held())),
    lambda match, attack: match.does("Restore", match.target(attack)),
    lambda match, attack: match.evicts(attack),
)
BESIEGE: Final = len(TACTICS) - 1
# How environments weigh the tactics: quiet, mixed, ambush, harass; siege is quiet until late.
TEMPERS: Final = torch.tensor(
    [
        [0.90, 0.02, 0.02, 0.04, 0.02, 0.00, 0.00, 0.00, 0.00],
        [0.30, 0.20, 0.10, 0.10, 0.10, 0.05, 0.05, 0.05, 0.05],
        [0.30, 0.00, 0.10, 0.50, 0.05, 0.05, 0.00, 0.00, 0.00],
        [0.50, 0.00, 0.00, 0.05, 0.05, 0.10, 0.10, 0.10, 0.10],
        [0.97, 0.00, 0.00, 0.03, 0.00, 0.00, 0.00, 0.00, 0.00],
    ]
)
SIEGE: Final = len(TEMPERS) - 1


def number(scenario: Scenario, kind: str, host: int) -> int:
    """The number of blue's action of a kind on a host."""
    return 2 + scenario.actions.index(kind) * len(scenario.hosts) + host


def chances(generator: torch.Generator, num_envs: int) -> torch.Tensor:
    """What a step draws."""
    return torch.rand((dynamics.CHANCES, num_envs), generator=generator)


def rows(tree: Tree, index: torch.Tensor) -> Tree:
    """Some environments of a state, an outcome or an action: the last axis is theirs."""
    return type(tree)(
        *(rows(leaf, index) if isinstance(leaf, tuple) else leaf[..., index] for leaf in tree)
    )


def leaves(tree: Iterable[object], prefix: str = "") -> dict[str, torch.Tensor]:
    """The tensors of a state, an outcome or an action, by name."""
    found: dict[str, torch.Tensor] = {}
    for name, leaf in tree._asdict().items():  # type: ignore[attr-defined]
        inner = leaves(leaf, f"{name}.") if isinstance(leaf, tuple) else {name: leaf}
        found |= {prefix + key: value for key, value in inner.items()}
    return found


def differing(one: State, other: State) -> list[str]:
    """The names of what is not the same, bit for bit."""
    pairs = zip(leaves(one).items(), leaves(other).values(), strict=True)
    return [name for (name, a), b in pairs if a.dtype != b.dtype or not torch.equal(a, b)]


def members_of(a: int) -> set[int]:
    """A set as Python's."""
    return {i for i in range(32) if a >> i & 1}


# The policies of the recorded traces (FORMAT.md), for the official network.


def sleep(_: torch.Generator, num_envs: int, __: int) -> torch.Tensor:
    """Even episodes always Sleep, odd ones always Monitor."""
    return torch.arange(num_envs) % 2


def uniform(generator: torch.Generator, num_envs: int, _: int) -> torch.Tensor:
    return torch.randint(145, (num_envs,), generator=generator)


def useful(generator: torch.Generator, num_envs: int, _: int) -> torch.Tensor:
    """A quarter Analyse, as many Remove, a tenth Restore, a twentieth rest, else fitting decoys."""
    u = torch.rand(num_envs, generator=generator)
    host = torch.randint(13, (num_envs,), generator=generator)
    rest = torch.randint(2, (num_envs,), generator=generator)
    weights = torch.tensor(PLACEABLE, dtype=torch.float32)[host]
    decoy = torch.multinomial(weights, 1, generator=generator)[:, 0]
    kinds = torch.stack([2 + host, 15 + host, 132 + host, rest, 28 + 13 * decoy + host])
    limits = torch.tensor([0.25, 0.5, 0.6, 0.65])
    return kinds[torch.bucketize(u, limits, right=True), torch.arange(num_envs)]


POLICIES: Final[dict[str, Policy]] = {"sleep": sleep, "uniform": uniform, "useful": useful}
