"""What a CAGE-2 policy remembers, as explicit numbers that are updated in its graph.

Nothing here is learned: the memory follows from the observations and the policy's own actions, so a
policy needs no recurrent training, and an exported one carries its memory in ``state``.
"""

from __future__ import annotations

from typing import Final

import torch
from torch.nn.functional import one_hot

from training.cage2.codes import FIRST_DECOY
from training.cage2.scenario import Scenario, Variant
from training.cage2.tables import compile_tables
from training.memory import Memory

_FADE: Final = 0.8  # what is left after a step of "lately"
_STEPS: Final = 100.0  # unit of the clock
# For each host: scanned lately, exploited lately, acted on lately, ever scanned, ever exploited,
# ever restored. Then one flag for each decoy that runs.
_SIGNS: Final = 6


class Cage2Memory(Memory):
    """The memory of a policy that defends one scenario.

    ``S = H * (6 + D) + 1``: what happened to each host, which decoys run there, and the time.

    Args:
        scenario: the network.
        variant: whose rules of placing decoys hold.
    """

    fits: torch.Tensor
    conflicts: torch.Tensor

    def __init__(self, scenario: Scenario, variant: Variant = Variant.HEAD) -> None:
        hosts, decoys = len(scenario.hosts), len(scenario.catalogue.decoys)
        size = hosts * (_SIGNS + decoys) + 1
        inputs = scenario.num_features + size + hosts * decoys
        super().__init__(scenario.num_features, scenario.num_actions, size, inputs)
        self.hosts, self.decoys = hosts, decoys
        services = compile_tables(scenario, variant, torch.device("cpu")).services
        decoy = torch.arange(self.decoys)
        fits = services.fits[:, None] >> decoy & 1
        unused = (services.genuine[:, None] & services.wanted) == 0
        opens = services.opened[1 << decoy]
        self.register_buffer("fits", (fits * unused).float())  # (H, D) on a clean host
        # (D, D): a decoy that runs (row) takes the port that another one (column) wants.
        self.register_buffer("conflicts", ((opens[:, None] & services.wanted) != 0).float())

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """A policy's inputs ``(B, num_inputs)``: observation, memory, and where decoys fit."""
        return torch.cat([obs, state, self.placeable(state).flatten(1)], 1)

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
            torch.maximum(old[..., :3] * _FADE, lately),
            torch.maximum(old[..., 3:_SIGNS], ever),
            torch.maximum(running, placed),
        ]
        return torch.cat([torch.cat(parts, 2).flatten(1), state[:, -1:] + 1 / _STEPS], 1)

    def _per_host(self, state: torch.Tensor) -> torch.Tensor:
        return state[:, :-1].reshape(-1, self.hosts, _SIGNS + self.decoys)
