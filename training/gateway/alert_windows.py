"""Alerts of the last ten minutes on each host of B gateways, as `agent.flows.hosts` counts them.

Windows of 600 s follow each other from a host's first packet on. What counts is the running window
and of the one before it the part that still lies within 600 s.
"""

from __future__ import annotations

from typing import Any

import torch

from agent.observation import LONG_WINDOW_S


class AlertWindows:
    """Two windows for every host of every gateway.

    Args:
        count: gateways, ``B``.
        num_hosts: ``H``.
        device: of all tensors.
    """

    def __init__(self, count: int, num_hosts: int, device: torch.device) -> None:
        self.current = torch.zeros(count, num_hosts, device=device)
        self.previous = torch.zeros_like(self.current)
        self.window = torch.zeros(count, num_hosts, dtype=torch.int64, device=device)
        self._rows = torch.arange(count, device=device)[:, None]

    def reset(self, rows: torch.Tensor) -> None:
        """Forget everything in the gateways of these numbers ``(N,)``."""
        for table in (self.current, self.previous, self.window):
            table[rows] = 0

    def recent(self, host: torch.Tensor, first: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Weighted alerts ``(B, E)`` of the last 600 s.

        Args:
            host: ``(B, E)`` numbers.
            first: ``(B, E)`` s, when each was first seen.
            time: ``(B,)`` s.
        """
        window, gone = self._window(first, time)
        current, previous = self._rolled(host, window)
        return current + previous * (1 - gone)

    def add(
        self, host: torch.Tensor, first: torch.Tensor, time: torch.Tensor, weight: torch.Tensor
    ) -> None:
        """Count alerts of some weight ``(B, E)``, 0 for none; no host twice in a row."""
        counts = weight > 0
        if not counts.any():
            return
        window, _ = self._window(first, time)
        current, previous = self._rolled(host, window)
        at = self._rows, host
        self.current[at] = torch.where(counts, current + weight, self.current[at])
        self.previous[at] = torch.where(counts, previous, self.previous[at])
        self.window[at] = torch.where(counts, window, self.window[at])

    def _window(self, first: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Which window it is ``(B, E)``, and how much of it is gone."""
        windows = (time[:, None] - first).clamp(min=0) / LONG_WINDOW_S
        return windows.long(), windows.frac().float()

    def _rolled(
        self, host: torch.Tensor, window: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both counts as they are in a window that may have begun since."""
        at = self._rows, host
        current, later = self.current[at], window - self.window[at]
        previous = torch.where(later == 0, self.previous[at], current * (later == 1))
        return current * (later == 0), previous

    def state_dict(self) -> dict[str, Any]:
        """All tables."""
        return {name: getattr(self, name) for name in ("current", "previous", "window")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for name, table in state.items():
            setattr(self, name, table.to(self.current.device, copy=True))
