"""How those whom a rule stops take it: attackers move or give up, users try again and then leave.

What was recorded stays as it was. A try beyond it is a price only, and whoever no longer comes is
not paid for.
"""

from __future__ import annotations

from typing import Any, Final

import torch

from training.gateway.surroundings import Surroundings

_NEVER: Final = torch.iinfo(torch.int64).max
_TABLES: Final = ("moved", "gone", "left", "missed")


class Reactions:
    """By rules' keys, what was drawn for each when it was made.

    Args:
        count: gateways, ``B``.
        num_keys: that rules can name, ``K``; key K is no rule's.
        world: how likely everything is.
        generator: the only source of chance, on the device of all tensors.
    """

    def __init__(
        self, count: int, num_keys: int, world: Surroundings, generator: torch.Generator
    ) -> None:
        self.world, self.nobody, self.generator = world, num_keys, generator
        shape, device = (count, num_keys + 1), generator.device
        # Times in seconds; never is infinite.
        self.moved = torch.full(shape, torch.inf, dtype=torch.float64, device=device)
        self.gone = torch.full_like(self.moved, torch.inf)
        self.left = torch.full_like(self.moved, torch.inf)
        # The first decision point of a legitimate flow that no longer comes.
        self.missed = torch.full(shape, _NEVER, device=device)
        self._rows = torch.arange(count, device=device)

    def reset(self, rows: torch.Tensor) -> None:
        """Forget everything in the gateways of these numbers ``(N,)``."""
        for table in (self.moved, self.gone, self.left):
            table[rows] = torch.inf
        self.missed[rows] = _NEVER

    def draw(self, key: torch.Tensor, time: torch.Tensor) -> None:
        """Draw what comes of each new rule.

        Args:
            key: ``(B,)``, the rules', K where there is none.
            time: ``(B,)`` s.
        """
        world, at = self.world, (self._rows, key)
        new = key < self.nobody
        for table, share, mean in (
            (self.moved, world.moves, world.moves_after_s),
            (self.gone, world.gives_up, world.gives_up_after_s),
            (self.left, world.leaves, world.leaves_after_s),
        ):
            if not share:  # the table stays as it began
                continue
            drawn = self._rand() < share
            after = time - mean * torch.log1p(-self._rand()).double()
            table[at] = torch.where(new & drawn, after, torch.inf)
        self.missed[at] = _NEVER

    def escapes(self, keys: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Whether an attacker gets around the rules on keys ``(B, L, 6)`` at times ``(B, L)``."""
        moved = self.moved.gather(1, keys.flatten(1)).view_as(keys)
        return moved <= time[..., None]

    def attacks(
        self, stopped: torch.Tensor, rule: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        """How many malicious flows are stopped in each gateway, ``(B,)``.

        Args:
            stopped: ``(B, L)`` bool, those that rules newly stop as recorded.
            rule: ``(B, L)``, the rules' keys.
            time: ``(B, L)`` s.
        """
        return (stopped & (time < self.gone.gather(1, rule))).sum(1)

    def tries(
        self,
        stopped: torch.Tensor,
        rule: torch.Tensor,
        time: torch.Tensor,
        until: torch.Tensor,
        points: torch.Tensor,
    ) -> torch.Tensor:
        """How many legitimate flows are stopped in each gateway, ``(B,)`` float32.

        Users' further tries count as their mean. That users have left counts as one, with the
        first flow which for that reason does not come.

        Args:
            stopped, rule, time: as of `attacks`, of legitimate flows.
            until: ``(B, L)`` s, the rules' ends.
            points: ``(B, L)``, decision points, in order of time.
        """
        left = self.left.gather(1, rule)
        again = self._retries((torch.minimum(until, left) - time).clamp(min=0))
        missed = stopped & (time >= left)
        self.missed.scatter_reduce_(1, rule, torch.where(missed, points, _NEVER), "amin")
        leaves = missed & (points == self.missed.gather(1, rule))
        return ((stopped & ~missed) * (1 + again) + leaves).float().sum(1)

    def _retries(self, lasts: torch.Tensor) -> torch.Tensor:
        """Further tries of a user whom a rule stops for so many seconds, the mean.

        Whoever tries again after each failure with chance p, waiting a s in the mean, is still at
        it after t s with chance exp(-(1 - p) t / a), and then tries p / a times a second. The
        integral is what is returned, with p / (1 - p) the mean number of tries if nothing ends.
        """
        mean, apart = self.world.retries, self.world.retry_after_s
        return -mean * torch.expm1(-lasts / (apart * (1 + mean)))

    def _rand(self) -> torch.Tensor:
        return torch.rand(len(self._rows), generator=self.generator, device=self._rows.device)

    def state_dict(self) -> dict[str, Any]:
        """All tables."""
        return {name: getattr(self, name) for name in _TABLES}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for name, table in state.items():
            setattr(self, name, table.to(self.moved.device, copy=True))
