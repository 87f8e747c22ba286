"""Tiny language models in GGUF files: random ones, and one whose probabilities are known."""

from __future__ import annotations

import json
import os
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

gguf = pytest.importorskip("gguf", reason="needs gguf: pip install 'sluicegate[teacher]'")

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # llama.cpp's types of tokens
SPECIAL = ("<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF file says of its tokens; the first two that are special begin and end a text."""

    model: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    begins: int = 0  # the token's number
    add_begin: bool = False


def python_sources(files: int = 25) -> list[str]:
    """Texts of some of the standard library's modules: English and code that is always there."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    return [path.read_text(errors="ignore") for path in sorted(folder.glob("*.py"))[:files]]


def byte_level(size: int) -> Vocabulary:
    """A byte-level BPE, cut up beforehand as GPT-2 does; at 256 and the special, bytes alone."""
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra 'teacher'")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    cut = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model = _trained(
        tokenizers, cut, size, special_tokens=[*SPECIAL], initial_alphabet=sorted(cut.alphabet())
    )
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    types = tuple(CONTROL if token in SPECIAL else NORMAL for token in tokens)
    merges = tuple(" ".join(pair) for pair in model["merges"])
    return Vocabulary("gpt2", tuple(tokens), types, merges)


def sentence_piece(size: int, byte_tokens: bool = True) -> Vocabulary:
    """Pieces with scores, as SentencePiece makes them; without bytes, not all can be expressed."""
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra 'teacher'")
    cut = tokenizers.pre_tokenizers.Metaspace()
    model = _trained(tokenizers, cut, size, limit_alphabet=60)
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    pieces = [piece for piece in pieces if piece.isascii() or piece.startswith("▁")]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)] if byte_tokens else []
    return Vocabulary(
        "llama",
        ("<unk>", "<s>", "</s>", *bytes_, *pieces),
        (UNKNOWN, CONTROL, CONTROL, *[BYTE] * len(bytes_), *[NORMAL] * len(pieces)),
        scores=(*[0.0] * (3 + len(bytes_)), *(-float(i) for i in range(len(pieces)))),
        begins=1,
        add_begin=True,
    )


def write(
    path: Path,
    vocabulary: Vocabulary,
    *,
    weights: Mapping[str, NDArray[Any]] | None = None,
    layers: int = 2,
    width: int = 32,
    context: int = 512,
    template: str | None = None,
) -> Path:
    """A model of the Llama architecture, 4 heads (1 where its weights are given)."""
    heads = 1 if weights else 4
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(width // heads)
    _add_vocabulary(writer, vocabulary)
    if template:
        writer.add_chat_template(template)
    made = weights or random_weights(len(vocabulary.tokens), layers, width)
    for name, tensor in made.items():
        writer.add_tensor(name, np.ascontiguousarray(tensor, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def random_weights(tokens: int, layers: int, width: int) -> dict[str, NDArray[Any]]:
    """Weights of a size that keeps activations, and logits, near one."""
    rng = np.random.default_rng(0)
    made: dict[str, NDArray[Any]] = {
        name: rng.normal(0, 1 / np.sqrt(shape[-1]), shape)
        for name, shape in _shapes(tokens, layers, width).items()
    }
    made["token_embd.weight"] *= np.sqrt(width)
    return {name: np.ones_like(w) if "norm" in name else w for name, w in made.items()}


def known(path: Path, vocabulary: Vocabulary, follows: Mapping[str, Mapping[str, float]]) -> Path:
    """A model in which only the last token counts.

    Attention and feed-forward weights are zero, so what is embedded comes out normalised: a token's
    own direction. The output matrix holds the logits, one column for each last token.

    Args:
        follows: of a token, those that may follow and their probabilities.
    """
    number = {token: i for i, token in enumerate(vocabulary.tokens)}
    size = len(number)
    width = -(-size // 32) * 32
    made = {name: np.zeros(shape) for name, shape in _shapes(size, 1, width).items()}
    made["token_embd.weight"][:size, :size] = np.eye(size)
    made["output_norm.weight"][:] = 1 / np.sqrt(width)  # undoes the normalisation of a unit vector
    for last, nexts in follows.items():
        made["output.weight"][:, number[last]] = -60.0
        for token, probability in nexts.items():
            made["output.weight"][number[token], number[last]] = np.log(probability)
    return write(path, vocabulary, weights=made, layers=1, width=width)


def _shapes(tokens: int, layers: int, width: int) -> dict[str, tuple[int, ...]]:
    square, up, down = (width, width), (2 * width, width), (width, 2 * width)
    block = {
        "attn_norm": (width,), "attn_q": square, "attn_k": square, "attn_v": square,
        "attn_output": square, "ffn_norm": (width,), "ffn_gate": up, "ffn_up": up, "ffn_down": down,
    }  # fmt: skip
    return {
        "token_embd.weight": (tokens, width),
        **{f"blk.{i}.{name}.weight": shape for i in range(layers) for name, shape in block.items()},
        "output_norm.weight": (width,),
        "output.weight": (tokens, width),
    }


def _add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(list(vocabulary.types))
    if vocabulary.merges:
        writer.add_token_merges(list(vocabulary.merges))
    if vocabulary.scores:
        writer.add_token_scores(list(vocabulary.scores))
        writer.add_unk_token_id(0)
    else:
        writer.add_tokenizer_pre("gpt-2")
    writer.add_bos_token_id(vocabulary.begins)
    writer.add_eos_token_id(vocabulary.begins + 1)
    writer.add_add_bos_token(vocabulary.add_begin)


def _trained(tokenizers: Any, cut: Any, size: int, **options: Any) -> dict[str, Any]:
    """What a tokenizer's file says of its model, after training on the standard library."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = cut
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=size, show_progress=False, **options)
    tokenizer.train_from_iterator(python_sources(), trainer)
    return json.loads(tokenizer.to_str())["model"]
