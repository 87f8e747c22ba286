"""Rules in force in B gateways at once, and the guard that makes them.

`agent.flows.rules` and `agent.guard` are what a box has; this is the same on tensors, with each
rule's name a number. A policy that learns is not asked how sure it is: what it plays is what it
means. Rules come into force at the end of their tick.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import torch

from agent.config import GuardSettings
from agent.decision import Verdict

SOURCE, SERVICE, PEER, HOST = range(4)
"""Columns of keys; beyond them, the source as a peer and as a host."""

_VERDICT: Final = (1, 2, 2, 3, 2, 3)
"""What a rule on each column's key does to a flow."""

_OF_SOURCE: Final = (SOURCE, 4, 5)
"""Columns that name the initiator, whatever service it asks for."""

_FORGIVEN_S: Final = 86_400.0  # as in agent.guard


class Cover(NamedTuple):
    """The strongest rules, each tensor of the shape that was asked for."""

    verdict: torch.Tensor  # int64, on the flow
    since: torch.Tensor  # float64, s, when that began; meaningless where it is "allow"
    source: torch.Tensor  # int64, on its initiator
    stopper: torch.Tensor  # int64, key of the strongest rule on the flow


class Firewall:
    """Rules by key, for every gateway of a batch.

    Args:
        count: gateways, ``B``.
        num_keys: that rules can name, ``K``; key K is never in force.
        settings: of the guard.
        tick_s: rules come into force at whole multiples of it.
        device: of all tensors.
    """

    def __init__(
        self,
        count: int,
        num_keys: int,
        settings: GuardSettings,
        tick_s: float,
        device: torch.device,
    ) -> None:
        self.settings, self.tick_s, self.nobody = settings, tick_s, num_keys
        shape = count, num_keys + 1
        self.since = torch.zeros(shape, dtype=torch.float64, device=device)
        self.until = torch.zeros_like(self.since)
        self.strikes = torch.zeros(shape, dtype=torch.int64, device=device)
        self.blocks = torch.zeros_like(self.strikes)  # of a peer's services
        self.minute = torch.full((count,), -1, dtype=torch.int64, device=device)
        self.spent = torch.zeros_like(self.minute)
        self._rows = torch.arange(count, device=device)
        self._verdict = torch.tensor(_VERDICT, device=device)
        self._ladder = torch.tensor(settings.ttl_s, dtype=torch.float64, device=device)

    def reset(self, rows: torch.Tensor) -> None:
        """Forget everything in the gateways of these numbers ``(N,)``."""
        for table in (self.since, self.until, self.strikes, self.blocks, self.spent):
            table[rows] = 0
        self.until[rows] = -torch.inf
        self.minute[rows] = -1

    def cover(self, keys: torch.Tensor, time: torch.Tensor, escapes: torch.Tensor) -> Cover:
        """What is in force on flows.

        Args:
            keys: ``(B, L, 6)``.
            time: ``(B, L)`` s.
            escapes: ``(B, L, 6)`` bool: the flow is out of that key's rule's reach.
        """
        flat = keys.flatten(1)
        since, until = (table.gather(1, flat).view_as(keys) for table in (self.since, self.until))
        at = time[..., None]
        holds = (since <= at) & (at < until) & ~escapes
        strength = holds * self._verdict
        verdict, column = strength.max(-1)
        column = column[..., None]
        return Cover(
            verdict,
            since.gather(-1, column)[..., 0],
            strength[..., _OF_SOURCE].amax(-1),
            keys.gather(-1, column)[..., 0],
        )

    def decide(
        self, keys: torch.Tensor, time: torch.Tensor, action: torch.Tensor, in_force: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Let the guard make rules of actions, one in each gateway at most.

        Args:
            keys: ``(B, 6)`` of the flows.
            time: ``(B,)`` s.
            action: ``(B,)`` verdicts that are proposed.
            in_force: ``(B,)`` verdicts on the flows.

        Returns:
            Verdicts ``(B,)`` that apply; and the keys of new rules, `nobody` where there is none.
        """
        wanted = torch.where(
            (action == Verdict.ISOLATE) & (keys[:, HOST] == self.nobody), Verdict.BLOCK, action
        )
        covered = in_force >= action
        now = time[:, None]
        made = (self.until.gather(1, keys[:, :4]) > now) * self._verdict[:4]
        waiting = made.amax(1) >= wanted  # a rule of this tick covers it already
        minute = (time // 60).long()
        self.spent[minute != self.minute] = 0
        self.minute = minute
        free = self.spent < self.settings.new_verdicts_per_minute
        new = (wanted > 0) & ~covered & ~waiting & free
        key = self._name(keys, wanted, new)
        self._enforce(key, time)
        self.spent += new
        applied = torch.where(covered, in_force, torch.where(waiting | new, wanted, 0))
        return applied * (action > 0), key

    def _name(self, keys: torch.Tensor, wanted: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """The key that each new rule names: a peer after so many of its services."""
        peer = torch.where(new & (wanted == Verdict.BLOCK), keys[:, PEER], self.nobody)
        known = self.blocks[self._rows, peer] >= self.settings.services_before_peer
        self.blocks[self._rows, peer] += 1
        column = torch.where(
            wanted == Verdict.BLOCK,
            torch.where(known, PEER, SERVICE),
            torch.where(wanted == Verdict.ISOLATE, HOST, SOURCE),
        )
        return torch.where(new, keys.gather(1, column[:, None])[:, 0], self.nobody)

    def _enforce(self, key: torch.Tensor, time: torch.Tensor) -> None:
        at = self._rows, key
        forgiven = time - self.until[at] > _FORGIVEN_S
        strikes = torch.where(forgiven, 0, self.strikes[at])
        self.until[at] = time + self._ladder[strikes.clamp(max=len(self._ladder) - 1)]
        self.since[at] = (time // self.tick_s + 1) * self.tick_s
        self.strikes[at] = strikes + 1
        # Key K stands for no rule.
        self.until[:, self.nobody] = -torch.inf
        self.strikes[:, self.nobody] = 0
        self.blocks[:, self.nobody] = 0

    def state_dict(self) -> dict[str, Any]:
        """All tables."""
        names = ("since", "until", "strikes", "blocks", "minute", "spent")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for name, table in state.items():
            setattr(self, name, table.to(self.since.device, copy=True))
