"""What a policy is shown of a capture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agent.capture.files import open_capture
from agent.config import Settings
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.observation import FEATURES
from agent.replay import steps
from training.gateway.playbook_policy import FloatArray, PlaybookPolicy


def observe(capture: Path, most: int, generator: np.random.Generator) -> FloatArray:
    """Observations of a capture while the playbook decides: ``(n, F)``, of ``most`` a sample.

    Raises:
        NotACapture: the file is none.
        CaptureUnreadable: it cannot be opened.
    """
    engine = Engine(Settings(), PlaybookPolicy(), Recorder())
    with open_capture(capture) as reader:
        rows = [step.observations.copy() for step in steps(reader, engine) if len(step.points)]
    observations = np.concatenate(rows) if rows else np.zeros((0, len(FEATURES)), np.float32)
    if len(observations) > most:
        observations = observations[np.sort(generator.choice(len(observations), most, False))]
    return observations
