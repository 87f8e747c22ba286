"""What a CAGE-2 policy remembers, as explicit numbers that are updated in its graph.

Nothing here is learned: the memory follows from the observations and the policy's own actions, so a
policy needs no recurrent training, and an exported one carries its memory in ``state``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import torch
from torch.nn.functional import one_hot

from training.cage2.codes import FIRST_DECOY
from training.cage2.describe import host_labels
from training.cage2.scenario import Scenario, Variant
from training.cage2.tables import compile_tables
from training.memory import HostMemory
from training.teacher.teacher import StateText

FADE: Final = 0.8  # what is left after a step of "lately"
STEPS: Final = 100.0  # unit of the clock
_FAINTEST: Final = torch.finfo(torch.float32).tiny
# For each host: scanned lately, exploited lately, acted on lately, ever scanned, ever exploited,
# ever restored. Then one flag for each decoy that runs.
_SIGNS: Final = 6
RECALLED: Final = "recalled"  # the fact that says that a text holds what is remembered
_SINCE: Final = ("scanned_ago", "exploited_ago", "acted_ago")  # of the first three signs
_DOUBTFUL: Final = 1  # number of the verdict that a removal leaves
_FACTS: Final = 4  # that hold for a host all the time


class Cage2Memory(HostMemory):
    """The memory of a policy that defends one scenario.

    ``S = H * (6 + D) + 1``: what happened to each host, which decoys run there, and the time.

    Args:
        scenario: the network.
        variant: whose rules of placing decoys hold.
    """

    fits: torch.Tensor
    conflicts: torch.Tensor
    facts: torch.Tensor

    def __init__(self, scenario: Scenario, variant: Variant = Variant.HEAD) -> None:
        hosts, decoys = len(scenario.hosts), len(scenario.catalogue.decoys)
        size = hosts * (_SIGNS + decoys) + 1
        inputs = scenario.num_features + size + hosts * decoys
        super().__init__(
            scenario.num_features,
            scenario.num_actions,
            size,
            inputs,
            num_host_inputs=4 + _SIGNS + 2 * decoys + _FACTS + 1,
            num_kinds=len(scenario.actions),
            relations=_relations(scenario),
        )
        self.scenario, self.decoys = scenario, decoys
        services = compile_tables(scenario, variant, torch.device("cpu")).services
        decoy = torch.arange(self.decoys)
        fits = services.fits[:, None] >> decoy & 1
        unused = (services.genuine[:, None] & services.wanted) == 0
        opens = services.opened[1 << decoy]
        self.register_buffer("fits", (fits * unused).float())  # (H, D) on a clean host
        # (D, D): a decoy that runs (row) takes the port that another one (column) wants.
        self.register_buffer("conflicts", ((opens[:, None] & services.wanted) != 0).float())
        self.register_buffer("facts", _facts(scenario), persistent=False)  # (H, 4)

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """A policy's inputs ``(B, num_inputs)``: observation, memory, and where decoys fit."""
        return torch.cat([obs, state, self.placeable(state).flatten(1)], 1)

    def host_inputs(self, obs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """``(B, H, num_host_inputs)``: each host's observation, memory, free places and facts.

        The facts are the cost of a step in which red is privileged there, the share of the way to
        the server, whether it is the server, and whether it reveals another host. The clock is
        every host's.
        """
        batch = state.shape[0], self.hosts, -1  # not len: an exported graph's batch is open
        parts = [
            obs.view(-1, self.hosts, 4),
            self._per_host(state),
            self.placeable(state),
            self.facts.expand(batch),
            state[:, None, -1:].expand(batch),
        ]
        return torch.cat(parts, 2)

    def placeable(self, state: torch.Tensor) -> torch.Tensor:
        """``(B, H, D)``, 1 where a decoy could be placed now."""
        taken = (self._per_host(state)[..., _SIGNS:] @ self.conflicts).clamp(max=1)
        return self.fits * (1 - taken)

    def useful(self, state: torch.Tensor) -> torch.Tensor:
        """``(B, A)`` bool: not Monitor, which is Sleep, and no decoy where it cannot be placed."""
        hosts = self.hosts
        decoys = self.placeable(state).transpose(1, 2).flatten(1).bool()
        yes = torch.ones_like(decoys[:, :1])
        before, after = yes.expand(-1, FIRST_DECOY * hosts), yes.expand(-1, hosts)
        return torch.cat([yes, ~yes, before, decoys, after], 1)

    def remember(
        self, obs: torch.Tensor, state: torch.Tensor, action: torch.Tensor
    ) -> torch.Tensor:
        """The state ``(B, S)`` after seeing ``obs`` ``(B, F)`` and taking ``action`` ``(B,)``."""
        seen, old = obs.view(-1, self.hosts, 4), self._per_host(state)
        place = (action - 2).clamp(min=0)
        on_host = (action >= 2).float()[:, None]  # Sleep and Monitor act on none
        host = one_hot(place % self.hosts, self.hosts) * on_host
        kind = one_hot(place // self.hosts, FIRST_DECOY + self.decoys + 1)
        decoy, restored = kind[:, FIRST_DECOY:-1], host * kind[:, -1:]
        scanned, exploited = seen[..., 0] * (1 - seen[..., 1]), seen[..., 1]
        lately = torch.stack([scanned, exploited, host], 2)
        ever = torch.stack([scanned, exploited, restored], 2)
        running = old[..., _SIGNS:] * (1 - restored[..., None])
        placed = host[..., None] * decoy[:, None] * self.placeable(state)
        parts = [
            torch.maximum(old[..., :3] * FADE, lately),
            torch.maximum(old[..., 3:_SIGNS], ever),
            torch.maximum(running, placed),
        ]
        return torch.cat([torch.cat(parts, 2).flatten(1), state[:, -1:] + 1 / STEPS], 1)

    def running(self, state: torch.Tensor) -> torch.Tensor:
        """``(B, H, D)``, 1 where a decoy runs."""
        return self._per_host(state)[..., _SIGNS:]

    def recall(self, text: StateText, state: torch.Tensor) -> StateText:
        """A state's text with what is remembered of the episode in facts and lines.

        Facts: ``recalled`` (1), and for every ``hostN`` ``.scanned_ago``, ``.exploited_ago`` and
        ``.acted_ago`` (steps since it happened, or was done; 1 is the step before; none if never)
        and ``.restored`` (1 if ever). Exact up to 391 steps; what is older counts as 392 steps
        old, for there a float32 that fades leaves its normal range.

        Words of a host's line: ``unchecked``, if something happened there and nothing was done
        there since, and of a host in doubt also if nothing was done after the step of the exploit,
        or only a removal just now; ``restored``, if it ever was.

        Args:
            text: what the playground says of one environment now.
            state: ``(S,)`` what is remembered there.
        """
        facts, lines = {**text.facts, RECALLED: 1.0}, list(text.lines)
        last = int(facts["last_action"])
        done = text.actions[last] if last >= 0 else ""
        signs = self._per_host(state[None])[0, :, :_SIGNS].tolist()
        for label, row in zip(host_labels(self.scenario), signs, strict=True):
            ago = {
                name: float(_steps_since(lately))
                for name, lately in zip(_SINCE, row, strict=False)
                if lately > 0
            }
            facts.update({f"{label}.{name}": steps for name, steps in ago.items()})
            line = int(label.removeprefix("host")) - 1
            seen, believed = facts[f"{label}.activity"], facts[f"{label}.verdict"]
            if _unchecked(seen > 0, int(believed), ago, done.removesuffix(f" {label}")):
                lines[line] += " unchecked"
            if row[-1]:
                facts[f"{label}.restored"] = 1.0
                lines[line] += " restored"
        return StateText(facts, tuple(lines), text.actions)

    def _per_host(self, state: torch.Tensor) -> torch.Tensor:
        return state[:, :-1].reshape(-1, self.hosts, _SIGNS + self.decoys)


def _facts(scenario: Scenario) -> torch.Tensor:
    """``(H, 4)``, as :meth:`Cage2Memory.host_inputs` says; all between 0 and 1 or so."""
    distances = scenario.distances()
    rows = [
        (host.weight, away / max(distances), host.name == scenario.server, host.reveals is not None)
        for host, away in zip(scenario.hosts, distances, strict=True)
    ]
    return torch.tensor(rows, dtype=torch.float32)


def _relations(scenario: Scenario) -> torch.Tensor:
    """``(2, H, H)``: the others of a host's subnet, and those that it reveals or that reveal it."""
    hosts = scenario.hosts
    subnet = torch.tensor([[a.subnet == b.subnet for b in hosts] for a in hosts]).float()
    reveals = torch.tensor([[a.reveals == b.name for b in hosts] for a in hosts]).float()
    return torch.stack([subnet - torch.eye(len(hosts)), reveals.maximum(reveals.t())])


def _steps_since(lately: float) -> int:
    """Steps since a sign was 1; the logarithm undoes the fading to far less than a step."""
    return 1 + round(math.log(max(lately, _FAINTEST)) / math.log(FADE))


def _unchecked(seen: bool, believed: int, ago: Mapping[str, float], done: str) -> bool:
    """Whether a host's line says so.

    Args:
        seen: whether anything happened there in the last step.
        believed: the verdict's number.
        ago: steps since things happened there.
        done: the last action, without its host if this is the one.
    """
    scanned, exploited, acted = (ago.get(name, math.inf) for name in _SINCE)
    if believed == _DOUBTFUL and done != "analyse" and (done == "remove" or acted >= exploited):
        return True
    return believed <= _DOUBTFUL and (seen or acted > min(scanned, exploited) < math.inf)
