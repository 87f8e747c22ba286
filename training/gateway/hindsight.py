"""Hindsight: a policy first learns what would have been right at recorded decision points.

In the lab every flow's label is known, as it is after an incident has been looked into. PPO alone
seldom finds rare attacks: a policy that has learned to allow hardly ever tries anything else on
them. So before anything is played, the actor learns from one who knows more than it sees (learning
by cheating: Chen et al. 2019, arXiv 1912.12294) how likely each verdict is right given an
observation. PPO makes of it what pays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from agent.observation import NAMES, TRANSFORMS, Transform
from training.gateway.policy import Logits
from training.gateway.recording import Recording
from training.gateway.settings import Rehearsal
from training.gateway.tape import Tape
from training.networks import ActorCritic
from training.optimise import adam, descend, remaining, set_rate

_LOCAL: Final = NAMES.index("initiator_local")
_MOSTLY: Final = 0.5  # of a local host's flows are malicious: then it is cut off
_RIGHT: Final = (
    (1.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 0.0, 1.0),
)
_TELLS: Final = 100  # updates from one report to the next


def rehearse(
    network: ActorCritic,
    recordings: list[Recording],
    tape: Tape,
    settings: Rehearsal,
    *,
    noise: float,
    generator: torch.Generator,
    show: Callable[[dict[str, float]], object] = lambda _: None,
) -> None:
    """Learn what was right.

    Half of the points that are drawn are malicious. Within either half a family counts by the
    square root of its points, so that no flood drowns the rest.

    Args:
        network: is changed.
        recordings: to learn from.
        tape: of them.
        settings: how long, and how fast.
        noise: deviation that is added to logarithms in observations.
        generator: the source of chance, on the tape's device.
        show: called now and then with ``updates`` and ``loss``, nats.
    """
    verdicts, until = right(tape), _until(recordings).to(tape.obs.device)
    vague = noise * torch.from_numpy(TRANSFORMS != Transform.IDENTITY).to(tape.obs.device)
    policy, optimizer = Logits(network), adam(network, settings.rehearsal_rate)
    for update in range(settings.rehearsal):
        chance = torch.rand(
            settings.rehearsal_batch, generator=generator, dtype=until.dtype, device=until.device
        )
        rows = torch.searchsorted(until, chance).clamp(max=len(until) - 1)
        obs = tape.obs[rows]
        error = torch.randn(obs.shape, generator=generator, device=obs.device)
        obs = obs + vague * error * (obs != 0)
        loss = torch.nn.functional.cross_entropy(policy(obs), verdicts[tape.flow[rows]])
        set_rate(
            optimizer, settings.rehearsal_rate * remaining("linear", update / settings.rehearsal)
        )
        descend(loss, optimizer, max_grad_norm=1.0)
        if (update + 1) % _TELLS == 0:
            show({"updates": update + 1, "loss": float(loss.detach())})


def _until(recordings: list[Recording]) -> torch.Tensor:
    """Cumulated chances ``(P,)`` of all points."""
    label = np.concatenate([each.label[each.flow] for each in recordings])
    family = np.concatenate([each.family[each.flow] for each in recordings])
    chances = np.zeros(len(label))
    for malicious in (0, 1):
        side = np.flatnonzero(label == malicious)
        if len(side):
            chances[side] = _by_family(family[side])
    return torch.from_numpy((chances / chances.sum()).cumsum())


def _by_family(family: NDArray[np.str_]) -> NDArray[np.float64]:
    """Chances ``(n,)`` that add up to 1."""
    _, number, points = np.unique(family, return_inverse=True, return_counts=True)
    chances = points[number] ** -0.5
    return np.asarray(chances / chances.sum())


def right(tape: Tape) -> torch.Tensor:
    """The right verdict on each flow, one-hot ``(M, 4)``."""
    first = tape.before < 0
    local = torch.zeros_like(tape.malicious)
    local[tape.flow[first]] = tape.obs[first, _LOCAL] > 0
    cut_off = tape.malicious & local & (_guilt(tape) >= _MOSTLY)
    return torch.tensor(_RIGHT, device=tape.obs.device)[tape.malicious.long() + cut_off]


def _guilt(tape: Tape) -> torch.Tensor:
    """Share of its initiator's flows that are malicious, for each flow ``(M,)``."""
    flows = torch.arange(len(tape.malicious), device=tape.obs.device)
    recording = torch.searchsorted(tape.first_flow, flows, right=True) - 1
    host = recording * tape.num_hosts + tape.hosts[:, 0]
    size = len(tape) * tape.num_hosts
    malicious = torch.bincount(host, tape.malicious.float(), size)
    return (malicious / torch.bincount(host, minlength=size).clamp(min=1))[host]
