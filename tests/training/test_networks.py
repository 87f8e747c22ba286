"""Networks by what their outputs may depend on, with a playground of lines of hosts."""

from __future__ import annotations

import pytest
import torch

from training.memory import HostMemory
from training.networks import HostwiseActorCritic

BATCH, WIDTH, FACTS, KINDS, REST = 4, 8, 3, 2, 1


class Line(HostMemory):
    """Hosts in a row that hear of their neighbours; the last action of all is of no use.

    An observation is three numbers a host.
    """

    def __init__(self, hosts: int) -> None:
        near = torch.arange(hosts)
        relation = ((near[:, None] - near).abs() == 1).float()[None]
        super().__init__(
            FACTS * hosts, REST + KINDS * hosts, 1, FACTS * hosts + 1,
            num_host_inputs=FACTS, num_kinds=KINDS, relations=relation,
        )  # fmt: skip

    def host_inputs(self, obs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        return obs.view(-1, self.hosts, FACTS)

    def useful(self, state: torch.Tensor) -> torch.Tensor:
        useful = super().useful(state)
        useful[:, -1] = False
        return useful


def play(network: HostwiseActorCritic, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        logits, value = network(obs, torch.zeros(len(obs), 1))
    return logits, value


def by_host(logits: torch.Tensor) -> torch.Tensor:
    """``(B, K, H)``: the actions that concern a host."""
    return logits[:, REST:].view(len(logits), KINDS, -1)


@pytest.fixture
def obs() -> torch.Tensor:
    return torch.rand(BATCH, 5 * FACTS, generator=torch.Generator().manual_seed(1))


def made(rounds: int, hosts: int = 5) -> HostwiseActorCritic:
    torch.manual_seed(1)
    return HostwiseActorCritic(Line(hosts), WIDTH, rounds)


def changed(network: HostwiseActorCritic, obs: torch.Tensor) -> list[bool]:
    """Of which hosts the last one's first fact moves the logits."""
    other = obs.clone()
    other[:, -FACTS] += 1
    difference = (by_host(play(network, obs)[0]) - by_host(play(network, other)[0])).abs()
    return [bool(moved > 1e-5) for moved in difference[:, 0].amax(0)]


def silence(network: HostwiseActorCritic, part: str) -> None:
    for name, weights in network.named_parameters():
        if name.endswith(f".{part}.weight"):
            torch.nn.init.zeros_(weights)


def test_without_rounds_no_host_hears_of_another(obs: torch.Tensor) -> None:
    assert changed(made(rounds=0), obs) == [False, False, False, False, True]


def test_relations_are_heard_of_one_step_a_round(obs: torch.Tensor) -> None:
    for rounds in (1, 2, 3):
        network = made(rounds)
        silence(network, "all")
        assert changed(network, obs) == [host >= 4 - rounds for host in range(5)]


def test_in_a_round_all_hear_of_all(obs: torch.Tensor) -> None:
    network = made(rounds=1)
    silence(network, "near")
    assert changed(network, obs) == [True] * 5


def test_a_line_seen_from_its_other_end_is_played_from_there(obs: torch.Tensor) -> None:
    network = made(rounds=2)
    there = obs.view(BATCH, 5, FACTS).flip(1).flatten(1)
    (one, value), (other, other_value) = play(network, obs), play(network, there)
    # But for the little by which the first of equals is preferred.
    torch.testing.assert_close(by_host(one)[:, 0], by_host(other)[:, 0].flip(1), atol=1e-3, rtol=0)
    torch.testing.assert_close(one[:, :REST], other[:, :REST])
    torch.testing.assert_close(value, other_value)


def test_weights_are_the_same_for_any_number_of_hosts() -> None:
    shapes = [[w.shape for w in made(rounds=2, hosts=hosts).parameters()] for hosts in (2, 5, 31)]
    assert shapes[0] == shapes[1] == shapes[2]


def test_a_useless_action_is_never_played(obs: torch.Tensor) -> None:
    logits, _ = play(made(rounds=1), obs)
    assert torch.equal(logits[:, -1], torch.full((BATCH,), -1e9))
    assert bool((logits[:, :-1] > -1).all())


def test_a_new_policy_prefers_nothing(obs: torch.Tensor) -> None:
    probabilities = play(made(rounds=2), obs)[0].softmax(1)[:, :-1]
    torch.testing.assert_close(probabilities, torch.full((BATCH, 10), 0.1), atol=0.01, rtol=0)


def test_the_first_of_equals_is_preferred() -> None:
    logits, _ = play(made(rounds=2, hosts=3), torch.ones(BATCH, 3 * FACTS))
    first, _, last = by_host(logits)[:, 0].unbind(1)
    torch.testing.assert_close(first - last, torch.full((BATCH,), 2e-4), atol=1e-6, rtol=0)


def test_a_lone_host_hears_nothing_of_a_relation() -> None:
    logits, value = play(made(rounds=2, hosts=1), torch.rand(BATCH, FACTS))
    assert logits.isfinite().all()
    assert value.isfinite().all()
