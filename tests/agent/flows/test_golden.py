"""The observations of three small captures, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.agent.flows.golden import FOLDER, NAMES, observe


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch_packets", [1, 17, 8192])
def test_observations_are_golden(name: str, batch_packets: int) -> None:
    golden = np.load(FOLDER / f"{name}.npy")
    assert len(golden) > 5
    assert observe(name, batch_packets).tobytes() == golden.tobytes()
