"""Imagined gateways that several tests look at."""

from __future__ import annotations

import pytest

from training.gateway.synth.gateway import synthesise
from training.gateway.synth.wire import Wire

MINUTES = 1.5
SEEDS = range(24)


@pytest.fixture(scope="session")
def wires() -> list[Wire]:
    """A minute and a half of each of some gateways."""
    return [synthesise(seed, MINUTES) for seed in SEEDS]
