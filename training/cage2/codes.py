"""The numbers by which tensors name kinds of things."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Red(StrEnum):
    """Red agents by name."""

    B_LINE = "B_line"
    MEANDER = "Meander"
    SLEEP = "Sleep"


SLEEP_RED, B_LINE, MEANDER = range(3)
REDS: Final[dict[str, int]] = {Red.B_LINE: B_LINE, Red.MEANDER: MEANDER, Red.SLEEP: SLEEP_RED}

# Red actions, as the recorded traces number them.
SLEEP, SWEEP, SCAN, EXPLOIT, ESCALATE, IMPACT = range(6)

# What an exploit meets on a host.
NOTHING, USER, ROOT, REPELLED = range(4)

# Blue's kinds of actions, as far as every scenario has them; its decoys follow, then Restore.
ANALYSE, REMOVE, FIRST_DECOY = range(3)
