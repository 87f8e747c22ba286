"""Facts of flows, made by hand."""

from __future__ import annotations

from typing import Final

from agent.observation import NAMES

SCAN: Final = {
    **{"answered": 0.0, "established": 0.0, "src_flows_short": 60.0, "src_flows_long": 60.0},
    **{"src_unanswered_short": 1.0, "src_unanswered_long": 1.0},
}
"""What is true of flows of a scan besides how many hosts or ports it tries."""


def flow(**values: float) -> dict[str, float]:
    """An answered outbound TCP flow, but for ``values``."""
    usual = {"tcp": 1.0, "initiator_local": 1.0, "answered": 1.0, "established": 1.0}
    usual |= {"packets_fwd": 5.0, "packets_bwd": 5.0, "src_flows_long": 3.0, "pair_flows": 1.0}
    return {name: (usual | values).get(name, 0.0) for name in NAMES}
