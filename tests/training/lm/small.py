"""What the tests of the language model share: small models, texts, and llama.cpp's opinion."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.teacher.lm.batch import Batch, Example
from training.teacher.lm.model import Decoder
from training.teacher.lm.prose import vocabulary
from training.teacher.lm.recipe import Architecture
from training.teacher.lm.tokenizer import Tokenizer

VOCABULARY = 360
WORDS = ("host", "alert", "scan", "patch", "decoy", "isolate", "the", "operational", "server")


def texts() -> list[str]:
    """Sentences about hosts with numbers."""
    chance = random.Random(1)
    lines = [" ".join(chance.choices(WORDS, k=12)) for _ in range(200)]
    return [f"host{n % 60} at distance {n % 7}: {line}.\n" for n, line in enumerate(lines)]


def tokenizer(size: int = VOCABULARY) -> Tokenizer:
    return Tokenizer.train(texts(), size)


def decoder(**changes: Any) -> Decoder:
    """Random weights, the same ones each time."""
    torch.manual_seed(1)
    settings = {
        "vocabulary": VOCABULARY, "width": 32, "layers": 2, "heads": 4, "kv_heads": 4, "hidden": 64,
        "context": 256,
    } | changes  # fmt: skip
    return Decoder(Architecture(**settings)).eval()


def outspoken(model: Decoder) -> Decoder:
    """The same model with weights so large that its logits differ by several nats."""
    gain = 4 * math.sqrt(32 / model.architecture.width)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.mul_(gain if weight.dim() == 2 else 1.0)
            if "norm" in name:
                weight.add_(torch.rand_like(weight))
    return model


@cache
def fluent() -> Tokenizer:
    """Has single tokens for all that exercises ask for."""
    return Tokenizer.train(vocabulary(1), 900)


@dataclass(frozen=True, slots=True)
class Piece(Example):
    """An example that may be text: each token foretells the next, but where there is a target."""

    targets: Mapping[int, Mapping[int, float]] = field(default_factory=dict)
    text: bool = False


def collate(examples: Sequence[Example], fill: int = 0) -> Batch:
    """Examples side by side, put together one number after the other."""
    width = max(len(example.tokens) for example in examples)
    tokens: list[list[int]] = []
    places: list[int] = []
    following: list[int] = []
    marked: list[int] = []
    shares: list[tuple[int, int, float]] = []
    for number, example in enumerate(examples):
        here, first = list(example.tokens), number * width
        tokens.append(here + [fill] * (width - len(here)))
        if isinstance(example, Piece) and example.text:
            told = [at for at in range(len(here) - 1) if at not in example.targets]
            places += [first + at for at in told]
            following += [here[at + 1] for at in told]
        for at, target in example.targets.items():
            shares += [(len(marked), token, share) for token, share in target.items()]
            marked.append(first + at)
    whole, real = torch.int64, torch.float32
    return Batch(
        tokens=torch.tensor(tokens, dtype=whole),
        places=torch.tensor(places, dtype=whole),
        following=torch.tensor(following, dtype=whole),
        marked=torch.tensor(marked, dtype=whole),
        row=torch.tensor([row for row, _, _ in shares], dtype=whole),
        token=torch.tensor([token for _, token, _ in shares], dtype=whole),
        probability=torch.tensor([share for _, _, share in shares], dtype=real),
    )


def same(one: Any, other: Any) -> bool:
    """Whether two batches, or two pools, hold the same tensors."""
    columns = [(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)]
    return all(torch.equal(a, b) and a.dtype == b.dtype for a, b in columns)


class Llama:
    """A GGUF file in llama.cpp, on one thread and with a cache of full precision."""

    def __init__(self, path: Path) -> None:
        llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
        self._llama = llama_cpp.Llama(
            str(path), n_ctx=256, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False,
            type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32,
        )  # fmt: skip

    def encode(self, text: str, special: bool = False) -> list[int]:
        return list(self._llama.tokenize(text.encode(), add_bos=False, special=special))

    def logits(self, tokens: list[int]) -> torch.Tensor:
        """``(T, V)``."""
        self._llama.reset()
        self._llama.eval(tokens)
        return torch.from_numpy(np.array(self._llama.scores[: len(tokens)], np.float32))

    def metadata(self) -> dict[str, str]:
        return dict(self._llama.metadata)
