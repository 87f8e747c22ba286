"""When an analyst confirms that what was stopped was malicious, and so its stop is paid."""

from __future__ import annotations

from typing import Any

import torch


class Confirmation:
    """Points for stops in B gateways that wait for an analyst.

    A confirmation takes an exponential time. That forgets how long it has lasted, so points need no
    dates: of whatever waits, the share 1 - exp(-t / mean) is confirmed within t, in the mean.

    Args:
        count: gateways, ``B``.
        mean_s: of a confirmation, seconds; 0 for at once.
        device: of all tensors.
    """

    def __init__(self, count: int, mean_s: float, device: torch.device) -> None:
        self.mean_s = mean_s
        self.waiting = torch.zeros(count, device=device)

    def reset(self, rows: torch.Tensor) -> None:
        """Forget everything in the gateways of these numbers ``(N,)``."""
        self.waiting[rows] = 0

    def paid(
        self, earned: torch.Tensor, elapsed_s: torch.Tensor, ended: torch.Tensor
    ) -> torch.Tensor:
        """What is paid from one decision to the next, ``(B,)``.

        Args:
            earned: ``(B,)``, points for what was stopped by then; they wait since the decision.
            elapsed_s: ``(B,)``.
            ended: ``(B,)`` bool, where the episode ends: there, everything is paid.
        """
        due = self.waiting + earned
        if self.mean_s > 0:
            share = -torch.expm1(-elapsed_s / self.mean_s)
            paid = due * torch.where(ended, 1, share).float()
        else:
            paid = due
        self.waiting = due - paid
        return paid

    def state_dict(self) -> dict[str, Any]:
        """What waits."""
        return {"waiting": self.waiting}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.waiting = state["waiting"].to(self.waiting.device, copy=True)
