"""fail2ban, by what a gateway sees: whoever fails too often within ten minutes is blocked.

fail2ban reads what services log, and counts lines of failed attempts by source
(https://github.com/fail2ban/fail2ban, ``config/jail.conf``). A gateway does not see whether a login
failed, but that nobody answered, that a connection was refused, or that somebody asks for a login
again and again and never sends more than a login takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.decision import Verdict
from agent.observation import LONG_WINDOW_S
from training.gateway.baselines.thresholds import Thresholded, Thresholds, tune
from training.gateway.facts import facts_of
from training.gateway.recording import Recording
from training.gateway.rewards import Rewards

MAXRETRY: Final = 5
"""Failures until a source is blocked, as in jail.conf's ``[DEFAULT]``."""

FINDTIME_S: Final = LONG_WINDOW_S
"""In which they count; jail.conf's ``[DEFAULT]`` has ten minutes, too."""

LOGIN_BYTES: Final = 8192
"""Payload that somebody sends at most who does not get in, a flow; our choice. An SSH client's key
exchange and some passwords take less."""

_CANDIDATES: Final = (3, MAXRETRY, 10, 20, 50, 100, 200, 500)


def failures(observations: NDArray[np.float32]) -> NDArray[np.float32]:
    """Failures of each flow's source within `FINDTIME_S`: ``(n, F)`` to ``(n,)``.

    They are the flows that it opened to nobody's answer or to a refusal, or its short flows to the
    same login, file or mail service, whichever are more.
    """
    f = facts_of(observations)
    unmet = f["src_flows_long"] * np.maximum(f["src_unanswered_long"], f["src_refused_long"])
    unmet = unmet * (f["responder_group"] == 0)  # a group is not asked for an answer
    asks = f["service_login"] + f["service_file"] + f["service_mail"] > 0
    short = f["pair_upload"] <= LOGIN_BYTES * f["pair_flows"]
    lately = 1 + FINDTIME_S / np.maximum(f["pair_gap_mean"], 1e-3)
    attempts = np.minimum(f["pair_flows"], lately) * (asks & short & (f["tcp"] > 0))
    # Logarithms in observations are rounded; what is counted are whole flows.
    return np.maximum(unmet, attempts).round().astype(np.float32)


def fail2ban(maxretry: float = MAXRETRY) -> Thresholded:
    """The policy: sources with that many failures are blocked."""
    return Thresholded(failures, Thresholds(throttle=maxretry, block=maxretry))


def tuned(
    recordings: Sequence[Recording], rewards: Rewards, most_harm: float | None = None
) -> Thresholded:
    """The policy whose ``maxretry`` earns most, see `training.gateway.baselines.thresholds.tune`.

    Raises:
        CorpusError: there is a limit to harm, but the table does not tell harm.
    """
    found = tune(
        *(failures, recordings, rewards, _CANDIDATES),
        verdicts=[Verdict.BLOCK],
        most_harm=most_harm,
    )
    return Thresholded(failures, found)
