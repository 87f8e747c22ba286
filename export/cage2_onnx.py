"""A quantised actor in the ONNX contract of CAGE-2, its memory inside the graph.

The memory's arithmetic is exported from torch, in a part before the actor and one after it; between
them lie the nodes of `export.policy_onnx`. The memory is sums and products one by one, and products
of matrices of zeros and ones: every runtime rounds them alike, so that the whole graph gives the
same bits in either form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import onnx
import torch
from onnx import compose, helper
from torch import nn

from agent.int8 import Int8Network
from export.policy_onnx import OPERATORS, Form, Nodes, serialised
from training.memory import NEVER, Memory
from training.onnx_export import to_onnx

MEMORY_OPERATORS: Final = frozenset(
    {
        "Add", "ArgMax", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "Div", "Equal",
        "Expand", "Flatten", "Gather", "GreaterOrEqual", "MatMul", "Max", "Mod", "Mul",
        "Not", "OneHot", "Reshape", "Shape", "Slice", "Sub", "Transpose", "Unsqueeze", "Where",
    }
)  # fmt: skip
"""What a memory may be made of."""


class Before(nn.Module):
    """From what is seen and remembered to the actor's inputs."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self.memory = memory

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """Inputs ``(B, I)``."""
        return self.memory(obs, state)


class After(nn.Module):
    """From the actor's outputs to logits, and to what is remembered of the greatest."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self.memory = memory

    def forward(
        self, raw: torch.Tensor, obs: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(B, A)`` and next state ``(B, S)``."""
        logits = raw.masked_fill(~self.memory.useful(state), NEVER)
        return logits, self.memory.remember(obs, state, logits.argmax(1))


class Whole(nn.Module):
    """A student with its memory, in torch: what the graphs compute.

    Args:
        memory: of the policy.
        actor: inputs ``(B, I)`` to logits ``(B, A)``.
    """

    def __init__(self, memory: Memory, actor: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.before, self.actor, self.after = Before(memory), actor, After(memory)

    def forward(self, obs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(B, A)`` and next state ``(B, S)``."""
        return self.after(self.actor(self.before(obs, state)), obs, state)


def float_onnx(memory: Memory, student: nn.Module) -> bytes:
    """A student that is not quantised, in the contract."""
    return to_onnx(Whole(memory, student), _examples(memory), ["logits", "next_state"])


def cage2_onnx(memory: Memory, network: Int8Network, form: Form) -> bytes:
    """A quantised student in the contract; the same network makes the same bytes.

    Args:
        memory: of the policy, whose inputs the network takes.
        network: of the actor.
        form: in which its layers are computed.
    """
    examples = _examples(memory)
    raw = {"raw": torch.zeros(1, memory.num_actions)}
    before = _part(to_onnx(Before(memory), examples, ["inputs"]), "before_")
    after = _part(to_onnx(After(memory), raw | examples, ["logits", "next_state"]), "after_")
    actor = Nodes(network, "inputs", "raw", form)
    graph = helper.make_graph(
        [*before.node, *actor.nodes, *after.node],
        "cage2",
        list(before.input),
        list(after.output),
        [*before.initializer, *actor.constants.values(), *after.initializer],
    )
    return serialised(graph)


def allowed_operators(form: Form) -> frozenset[str]:
    """All that a policy of CAGE-2 may be made of."""
    return OPERATORS[form] | MEMORY_OPERATORS


def _examples(memory: Memory) -> dict[str, torch.Tensor]:
    """The contract's inputs, a batch of 1."""
    return {
        "obs": torch.zeros(1, memory.num_features),
        "state": torch.zeros(1, memory.state_size),
    }


def _part(content: bytes, prefix: str) -> onnx.GraphProto:
    """A graph whose inner names all begin with a prefix; its inputs and outputs keep theirs."""
    model = onnx.load_from_string(content)
    return compose.add_prefix(model, prefix, rename_inputs=False, rename_outputs=False).graph
