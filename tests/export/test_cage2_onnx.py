"""A quantised actor with its memory, as one graph: the bits of torch and numpy, step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from agent.int8 import Int8Network
from agent.session import open_session
from export.cage2_onnx import (
    MEMORY_OPERATORS,
    Whole,
    allowed_operators,
    cage2_onnx,
    float_onnx,
)
from export.kernels import int8_kernels
from export.policy_onnx import Form, operators
from export.quantize import Ranges, quantised
from tests.export.students import policy
from training.cage2.env import Cage2
from training.cage2.memory import Cage2Memory
from training.cage2.onnx_policy import OnnxPolicy
from training.cage2.scenario import load

FORMS: tuple[Form, ...] = ("int8", "fp32")
STEPS = 40


def memory_of(scenario: str) -> Cage2Memory:
    return Cage2Memory(load(scenario))


def network_of(memory: Cage2Memory) -> Int8Network:
    student = policy(memory.num_inputs, 24, 16, memory.num_actions)
    inputs = torch.rand(500, memory.num_inputs, generator=torch.Generator().manual_seed(1))
    return quantised(student, Ranges.of(student, inputs))


def whole(memory: Cage2Memory, network: Int8Network) -> Whole:
    return Whole(memory, lambda inputs: torch.from_numpy(network.logits(inputs.numpy())))


def session(content: bytes) -> ort.InferenceSession:
    return open_session(content)


def anything(memory: Cage2Memory) -> tuple[torch.Tensor, torch.Tensor]:
    """Observations ``(300, F)`` and states ``(300, S)`` of zeros and ones."""
    generator = torch.Generator().manual_seed(3)
    drawn = torch.rand(300, memory.num_features + memory.state_size, generator=generator) < 0.3
    obs, state = drawn.float().split([memory.num_features, memory.state_size], 1)
    return obs.contiguous(), state.contiguous()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("scenario", "batch"), [("official", 1), ("official", 7), ("generated-6", 3)]
)
def test_an_episode_has_the_bits_of_torch_and_numpy(form: Form, scenario: str, batch: int) -> None:
    memory = memory_of(scenario)
    network = network_of(memory)
    wanted, graph = whole(memory, network), session(cage2_onnx(memory, network, form))
    env = Cage2(batch, torch.Generator().manual_seed(2), scenario=load(scenario), horizon=STEPS)
    obs, state = env.reset().contiguous(), torch.zeros(batch, memory.state_size)
    for step in range(STEPS):
        logits, after = wanted(obs, state)
        fed = {"obs": obs.numpy(), "state": state.numpy()}
        found, found_after = graph.run(["logits", "next_state"], fed)
        assert found.tobytes() == logits.numpy().tobytes(), step
        assert found_after.tobytes() == after.numpy().tobytes(), step
        assert ((found == -1e9) == ~memory.useful(state).numpy()).all()
        action, state = logits.argmax(1), torch.from_numpy(found_after)
        obs = env.step(action)[0].contiguous()
    assert float(state[0, -1]) == pytest.approx(STEPS / 100)


@pytest.mark.parametrize("form", FORMS)
def test_so_does_whatever_a_memory_may_hold_and_whichever_action_follows(form: Form) -> None:
    memory = memory_of("official")
    network = network_of(memory)
    obs, state = anything(memory)
    logits, after = whole(memory, network)(obs, state)
    fed = {"obs": obs.numpy(), "state": state.numpy()}
    found, found_after = session(cage2_onnx(memory, network, form)).run(None, fed)
    assert found.tobytes() == logits.numpy().tobytes()
    assert found_after.tobytes() == after.numpy().tobytes()
    kinds = {(action - 2) // 13 for action in logits.argmax(1).tolist()}
    assert len(kinds) > 5


@pytest.mark.parametrize("form", FORMS)
def test_it_keeps_the_contract_and_the_same_network_makes_the_same_bytes(
    form: Form, tmp_path: Path
) -> None:
    memory = memory_of("official")
    network = network_of(memory)
    content = cage2_onnx(memory, network, form)
    assert content == cage2_onnx(memory, network, form)
    (tmp_path / "policy.onnx").write_bytes(content)
    player = OnnxPolicy(tmp_path / "policy.onnx", 52, 145)  # refuses other names and shapes
    player.begin(2)
    assert player.act(np.zeros((2, 52), np.float32)).shape == (2,)
    assert player.state_size == memory.state_size


def test_every_layer_is_computed_in_bytes() -> None:
    memory = memory_of("official")
    network = network_of(memory)
    assert int8_kernels(cage2_onnx(memory, network, "int8")) == len(network.layers) == 3
    assert int8_kernels(cage2_onnx(memory, network, "fp32")) == 0


def test_it_is_made_of_what_is_allowed_and_all_of_that_is_needed() -> None:
    memory = memory_of("official")
    network = network_of(memory)
    made = {form: operators(cage2_onnx(memory, network, form)) for form in FORMS}
    for form in FORMS:
        assert made[form] == allowed_operators(form)
    assert made["int8"] & made["fp32"] >= MEMORY_OPERATORS


def test_a_student_that_is_not_quantised_plays_as_in_torch() -> None:
    memory = memory_of("official")
    student = policy(memory.num_inputs, 24, memory.num_actions)
    graph, wanted = session(float_onnx(memory, student)), Whole(memory, student)
    obs, state = anything(memory)
    found, found_after = graph.run(None, {"obs": obs.numpy(), "state": state.numpy()})
    with torch.no_grad():
        logits, after = wanted(obs, state)
    np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-4)
    assert (found.argmax(1) == logits.argmax(1).numpy()).all()
    np.testing.assert_array_equal(found_after, after)
