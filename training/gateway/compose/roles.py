"""Who of a part is inside the gateway's network, and who is outside.

Where a capture has private and public addresses, they say it. A capture without public addresses
may have been taken on one network or on a path between two; of one without private addresses
nobody knows where its gateway was. There, a side is drawn.
"""

from __future__ import annotations

from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.gateway.compose.parts import Kind, Part

_MOST_INSIDE: Final = 16  # hosts of a side that speak; more are no part of one small network

# How often, of parts without public addresses, nobody, the responders or the initiators are moved
# outside. Benign servers are mostly elsewhere; an attack may come from an infected host inside.
_BENIGN_MOVES: Final = (0.4, 0.5, 0.1)
_ATTACK_MOVES: Final = (0.3, 0.35, 0.35)
# How often, of flows between public addresses, the initiator is the one inside.
_BENIGN_OUTBOUND: Final = 0.85
_ATTACK_OUTBOUND: Final = 0.5


def inside(part: Part, rng: Random) -> NDArray[np.bool_]:
    """Which hosts of a part are inside: ``(h,)``. Of every flow, one end is."""
    is_attack = part.family is not None
    is_inside = part.kinds != Kind.PUBLIC
    initiates, responds = leanings(part)
    if is_inside.all():
        moves = _ATTACK_MOVES if is_attack else _BENIGN_MOVES
        [side] = rng.choices((None, responds, initiates), moves)
        if side is not None:
            is_inside = ~(side & (part.kinds == Kind.PRIVATE))
    src, dst = _ends(part)
    between = ~is_inside[src] & ~is_inside[dst]
    if between.any():
        outbound = rng.random() < (_ATTACK_OUTBOUND if is_attack else _BENIGN_OUTBOUND)
        sides = [np.unique(src[between]), np.unique(dst[between])]
        if not outbound:
            sides.reverse()
        speaking = [int(part.speaks[side].sum()) for side in sides]
        is_crowd = speaking[0] > _MOST_INSIDE and speaking[1] < speaking[0]
        is_inside[sides[1] if is_crowd else sides[0]] = True
    return is_inside


def leanings(part: Part) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Hosts that mostly open flows, and those that mostly answer them: ``(h,)`` each.

    Of an attack only malicious flows count, so bystanders are neither.
    """
    is_attack = part.family is not None
    counted = [f for f in part.flows if not is_attack or (f.label and f.label.malicious)]
    opened = np.bincount([f.src for f in counted], minlength=len(part.hosts))
    taken = np.bincount([f.dst for f in counted], minlength=len(part.hosts))
    return opened > taken, (taken >= opened) & (taken > 0)


def _ends(part: Part) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of all flows."""
    ends = np.array([(flow.src, flow.dst) for flow in part.flows], np.int64)
    return ends[:, 0], ends[:, 1]
