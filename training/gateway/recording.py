"""A recording: what an agent that allows everything sees of a capture, as arrays.

One pass of the agent's own engine gives the decision points and their observations. Beside them
stand, for each flow, what is known of it and the names by which rules would stop it; and for each
decision point, how the flow's packets go on until its next one, so that a playground can work out
what a throttle would delay.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from agent.decision import RuleKind

NO_KEY: Final = -1
KEYS: Final = (
    RuleKind.THROTTLE_SOURCE,
    RuleKind.BLOCK_SERVICE,
    RuleKind.BLOCK_PEER,
    RuleKind.ISOLATE_HOST,
)
"""What rules on a flow can name, in the order of ``Recording.keys``."""
SEGMENTS: Final = 16
"""Parts of what a flow does between two decision points: single packets up to so many."""


@dataclass(frozen=True, slots=True)
class Recording:
    """N decision points of M flows, in order of time.

    Attributes:
        observations: ``(N, F)`` float32, nothing being in force.
        time_ns: ``(N,)`` int64, since the last whole second before the first one.
        flow: ``(N,)`` int32, whose decision point it is.
        before: ``(N,)`` int32, the flow's decision point before this one; -1 at its first.
        share: ``(N,)`` float32, of the flow's IP bytes, those after this point and up to its next
            one; at its first point those before are counted, too.
        segment_bytes: ``(N, SEGMENTS)`` float32, IP bytes of the flow's next packets.
        segment_packets: ``(N, SEGMENTS)`` float32, how many packets those are.
        segment_gap_s: ``(N, SEGMENTS)`` float32, time since the segment before, or since the point.
        label: ``(M,)`` int8: malicious 1, benign 0, unknown -1.
        family: ``(M,)`` str, of the label.
        keys: ``(M, len(KEYS))`` int32, numbers of what rules on the flow would name; `NO_KEY` where
            no local host could be isolated.
        source_keys: ``(M, 2)`` int32, the same of its initiator as a peer and as a local host.
        hosts: ``(M, 2)`` int32, numbers of initiator and responder.
        packets: ``(M,)`` int32, of the flow in all.
        host_first_ns: ``(H,)`` int64, when each host was first seen.
        num_keys: that there are.
    """

    observations: NDArray[np.float32]
    time_ns: NDArray[np.int64]
    flow: NDArray[np.int32]
    before: NDArray[np.int32]
    share: NDArray[np.float32]
    segment_bytes: NDArray[np.float32]
    segment_packets: NDArray[np.float32]
    segment_gap_s: NDArray[np.float32]
    label: NDArray[np.int8]
    family: NDArray[np.str_]
    keys: NDArray[np.int32]
    source_keys: NDArray[np.int32]
    hosts: NDArray[np.int32]
    packets: NDArray[np.int32]
    host_first_ns: NDArray[np.int64]
    num_keys: int

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path) as file:
            columns: dict[str, Any] = {f.name: file[f.name] for f in fields(cls)}
        return cls(**columns | {"num_keys": int(columns["num_keys"])})
