"""What the tests of the language model share: small models, texts, and llama.cpp's opinion."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.teacher.lm.model import Decoder
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
