"""A trained policy as a teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from training.cage2.describe import action_labels, host_labels
from training.cage2.memory import FADE, RECALLED, STEPS
from training.cage2.scenario import Scenario
from training.errors import PolicyError
from training.networks import ActorCritic
from training.teacher.teacher import StateText


class PolicyTeacher:
    """Advises what a network would play, with its probabilities.

    Args:
        network: what advises, with a :class:`training.cage2.memory.Cage2Memory`.
        scenario: the network to defend, that of the states.

    Raises:
        PolicyError: the network is of another number of hosts or decoys.
    """

    def __init__(self, network: ActorCritic, scenario: Scenario) -> None:
        memory = network.memory
        wanted = scenario.num_features, scenario.num_actions
        if (memory.num_features, memory.num_actions) != wanted:
            raise PolicyError(
                f"the network takes {memory.num_features} features and has {memory.num_actions}"
                f" actions, {scenario.name} has {wanted[0]} and {wanted[1]}: give one trained there"
            )
        self.network = network.eval()
        self._decoys = [decoy.name for decoy in scenario.catalogue.decoys]
        self._labels, self._actions = host_labels(scenario), action_labels(scenario)
        of_hosts = [f"{at}.{name}" for at in self._labels for name in ("activity", "verdict")]
        self._needed = (RECALLED, "step", *of_hosts)

    @torch.no_grad()
    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, A)`` float32 on the network's device, rows sum to 1.

        Raises:
            PolicyError: a text is of another scenario, or did not pass the memory's ``recall``.
        """
        device = next(self.network.parameters()).device
        obs, state = (side.to(device) for side in self.rebuild(states))
        logits, _ = self.network(obs, state)
        return logits.softmax(1)

    def rebuild(self, states: Sequence[StateText]) -> tuple[torch.Tensor, torch.Tensor]:
        """The observations ``(n, F)`` and memories ``(n, S)`` that the texts were made from."""
        for state in states:
            self._check(state)
        every = [state.facts for state in states]
        obs = [[bit for at in self._labels for bit in _bits(facts, at)] for facts in every]
        hosts = [[x for at in self._labels for x in self._remembered(facts, at)] for facts in every]
        clock = [[facts["step"] / STEPS] for facts in every]
        return torch.tensor(obs), torch.cat([torch.tensor(hosts), torch.tensor(clock)], 1)

    def _check(self, state: StateText) -> None:
        if state.actions != self._actions:
            raise PolicyError("a policy advises on its own scenario alone: the actions are others")
        missing = [name for name in self._needed if name not in state.facts]
        if missing:
            raise PolicyError(
                f"a policy cannot advise without the fact {missing[0]!r}: pass the playground's"
                " text through Cage2Memory.recall"
            )

    def _remembered(self, facts: Mapping[str, float], at: str) -> list[float]:
        """A host's part of the memory."""
        scanned, exploited, acted = (
            FADE ** (facts[name] - 1) if name in facts else 0.0
            for name in (f"{at}.scanned_ago", f"{at}.exploited_ago", f"{at}.acted_ago")
        )
        ever = float(scanned > 0), float(exploited > 0), facts.get(f"{at}.restored", 0.0)
        runs = [float(facts.get(f"{at}.{decoy}", 0.0) == 1) for decoy in self._decoys]
        return [scanned, exploited, acted, *ever, *runs]


def _bits(facts: Mapping[str, float], at: str) -> list[float]:
    """A host's four bits of the observation."""
    activity, verdict = facts[f"{at}.activity"], int(facts[f"{at}.verdict"])
    return [float(activity > 0), float(activity == 2), float(verdict & 1), float(verdict >> 1)]
