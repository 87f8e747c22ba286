"""What the tests of the encoder share: a small one with opinions, its file, and short exercises."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import torch

from tests.training.lm.small import fluent
from tests.training.teacher.passages import passage
from training.teacher.encoder.about import KEY
from training.teacher.encoder.network import Encoder
from training.teacher.encoder.spelling import spell
from training.teacher.lm.exercises import KINDS, Exercise
from training.teacher.lm.recipe import Architecture
from training.teacher.playbook.retrieval import Shelf
from training.teacher.playbook.rule import Rule
from training.teacher.prompt import Brief, Prompt
from training.teacher.question import Question, labels
from training.teacher.teacher import StateText

BRIEF = Brief(
    "small", "", "", "host", frozenset({"vital", "accessed"}), ("vital",),
    ("sleep", "remove", "restore", "decoy"), True,
)  # fmt: skip
"""With little to say, so that texts are short."""
PROMPT = Prompt(BRIEF, Shelf([passage("must remove or restore if vital and accessed")]))


class Exported(NamedTuple):
    """An encoder, and what was written of it."""

    model: Encoder
    whole: Path
    int8: Path


def encoder(**changes: Any) -> Encoder:
    """Random weights, the same ones each time."""
    torch.manual_seed(1)
    settings = {
        "vocabulary": len(fluent()), "width": 64, "layers": 2, "heads": 4, "kv_heads": 4,
        "hidden": 128,
    } | changes  # fmt: skip
    return Encoder(Architecture(**settings), len(KINDS)).eval()


def outspoken(**changes: Any) -> Encoder:
    """The same with weights so large that its scores differ."""
    model = encoder(**changes)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4.0 if weight.dim() == 2 else 1.0)
    return model


def state(*lines: str) -> StateText:
    """Of hosts, all of whose actions are there."""
    hosts = [line.partition(" ")[0] for line in lines]
    return StateText({}, lines, labels(BRIEF.kinds, hosts))


@torch.no_grad()
def answer(model: Encoder, question: Question) -> torch.Tensor:
    """What torch makes of a question: a softmax over its actions' scores ``(actions,)``."""
    spelled = spell(question, fluent(), KINDS)
    scores = model(torch.tensor([spelled.tokens]))[0]
    pairs = zip(spelled.places, spelled.labels, strict=True)
    return torch.stack([scores[place, label] for place, label in pairs]).softmax(0)


def with_about(source: Path, target: Path, **changes: object) -> Path:
    """The same graph, of which the file says something else."""
    graph = onnx.load(source)
    about = json.loads({entry.key: entry.value for entry in graph.metadata_props}[KEY])
    onnx.helper.set_model_props(graph, {KEY: json.dumps(about | changes)})
    target.write_bytes(graph.SerializeToString())
    return target


def simple(chance: random.Random) -> Exercise:
    """Three or four hosts with a rule each, that is most urgent or least, and what it says."""
    hosts = [f"host{n + 1}" for n in range(chance.randint(3, 4))]
    told = [
        (Rule(("vital",), chance.choice((0, 4)), (chance.choice(BRIEF.kinds[1:]),)),) for _ in hosts
    ]
    lines = tuple(f"{host} vital" for host in hosts)
    return Exercise(BRIEF, lines, tuple(told), labels(BRIEF.kinds, hosts))
