"""The numbers by which tensors name kinds of things."""

from __future__ import annotations

from typing import Final

# Red agents.
SLEEP_RED, B_LINE, MEANDER = range(3)
REDS: Final = {"Sleep": SLEEP_RED, "B_line": B_LINE, "Meander": MEANDER}

# Red actions, as the recorded traces number them.
SLEEP, SWEEP, SCAN, EXPLOIT, ESCALATE, IMPACT = range(6)

# What an exploit meets on a host.
NOTHING, USER, ROOT, REPELLED = range(4)

# Blue's kinds of actions, as far as every scenario has them; its decoys follow, then Restore.
ANALYSE, REMOVE, FIRST_DECOY = range(3)
