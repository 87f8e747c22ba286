"""The GGUF file: what llama.cpp computes from it, whole and quantised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader

from tests.training.lm.small import VOCABULARY, Llama, decoder, outspoken, tokenizer
from training.errors import TeacherError
from training.teacher.lm.gguf_file import CHAT_TEMPLATE, quantise, write
from training.teacher.lm.model import Decoder

TOLERANCE = 2e-5  # of logits that span five nats
PROMPT = "host12 at distance 3: the operational server scan alert. host7: isolate patch decoy host"

Made = Callable[..., tuple[Decoder, Path]]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def make(precision: Any = "F32", **changes: Any) -> tuple[Decoder, Path]:
        model = outspoken(decoder(**changes))
        write(tmp_path / "model.gguf", model, tokenizer(), precision=precision)
        return model, tmp_path / "model.gguf"

    return make


def types(path: Path) -> dict[str, str]:
    return {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(path).tensors}


@torch.no_grad()
def divergence(model: Decoder, path: Path) -> float:
    """Mean KL of llama.cpp's next token from torch's, in nats."""
    tokens = tokenizer().encode(PROMPT)
    ours = model(torch.tensor([tokens]))[0].log_softmax(1)
    theirs = Llama(path).logits(tokens).log_softmax(1)
    return float((ours.exp() * (ours - theirs)).sum(1).mean())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tied": False},
        {"kv_heads": 2},
        {"kv_heads": 1, "heads": 2},
        {"rope_base": 100.0, "norm_eps": 1e-2},
        {"layers": 3, "width": 64, "hidden": 96},
    ],
)
def test_torch_and_llama_agree(made: Made, changes: dict[str, Any]) -> None:
    model, path = made(**changes)
    tokens = tokenizer().encode(PROMPT) * 10
    with torch.no_grad():
        ours = model(torch.tensor([tokens]))[0]
    assert len(tokens) > 150
    assert float(ours.max() - ours.min()) > 2
    torch.testing.assert_close(Llama(path).logits(tokens), ours, rtol=0, atol=TOLERANCE)


def test_half_precision_is_close(made: Made) -> None:
    model, path = made("F16")
    assert divergence(model, path) < 1e-4
    assert set(types(path).values()) == {"F16", "F32"}


def test_metadata(made: Made) -> None:
    metadata = Llama(made()[1]).metadata()
    assert metadata["general.architecture"] == "llama"
    assert metadata["llama.context_length"] == "256"
    assert metadata["tokenizer.ggml.pre"] == "gpt-2"
    assert metadata["tokenizer.chat_template"] == CHAT_TEMPLATE


def test_the_chat_template_writes_turns() -> None:
    jinja2 = pytest.importorskip("jinja2")
    turns = [{"role": "system", "content": "A."}, {"role": "user", "content": "B?"}]
    text = jinja2.Template(CHAT_TEMPLATE).render(messages=turns, add_generation_prompt=True)
    assert text == (
        "<|im_start|>system\nA.<|im_end|>\n<|im_start|>user\nB?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_same_model_gives_the_same_bytes(made: Made) -> None:
    first = made()[1].read_bytes()
    assert made()[1].read_bytes() == first


def test_another_models_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=f"300 tokens and the model {VOCABULARY}"):
        write(tmp_path / "model.gguf", decoder(), tokenizer(300))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("to", "kl", "kind", "bits"), [("Q8_0", 5e-4, "Q8_0", 9), ("Q4_K_M", 0.02, "Q4_K", 6)]
)
def test_quantised_models_are_close(made: Made, to: Any, kl: float, kind: str, bits: int) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    model, path = made(width=256, hidden=256)
    smaller = path.with_name("smaller.gguf")
    quantise(path, smaller, to)
    assert types(smaller)["blk.0.ffn_gate.weight"] == kind
    assert smaller.stat().st_size < path.stat().st_size * bits / 32 + 20_000
    assert 0 < divergence(model, smaller) < kl


def test_narrow_matrices_get_small_blocks(made: Made) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    model, path = made(width=64, hidden=96)
    quantise(path, path.with_name("smaller.gguf"), "Q4_K_M")
    found = types(path.with_name("smaller.gguf"))
    assert found["blk.0.ffn_gate.weight"] == "Q5_0"
    assert divergence(model, path.with_name("smaller.gguf")) < 0.01


def test_what_cannot_be_quantised_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    with pytest.raises(TeacherError, match=r"none\.gguf: llama\.cpp cannot quantise it to Q8_0"):
        quantise(tmp_path / "none.gguf", tmp_path / "smaller.gguf", "Q8_0")
    assert not any(tmp_path.iterdir())
