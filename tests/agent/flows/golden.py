"""Golden observations: ``python -m tests.agent.flows.golden`` writes them again, for review."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agent.capture.files import open_capture
from agent.config import Settings
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.replay import steps

CAPTURES = Path(__file__).parents[2] / "captures"
FOLDER = Path(__file__).parent / "golden"
NAMES = ("page", "scan", "beacon")


class Onlooker:
    """Allows everything, so that the observations are the traffic's alone."""

    def logits(self, observations: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.eye(1, 4, dtype=np.float32).repeat(len(observations), axis=0)


def observe(name: str, batch_packets: int = 8192) -> np.ndarray[Any, Any]:
    """All observations of a capture, ``(n, F)`` float32."""
    engine = Engine(Settings(), Onlooker(), Recorder())
    with open_capture(CAPTURES / f"{name}.pcap", batch_packets=batch_packets) as reader:
        return np.concatenate([s.observations.copy() for s in steps(reader, engine)])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in NAMES:
        np.save(FOLDER / f"{name}.npy", observe(name))
