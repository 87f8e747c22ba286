"""The language model as a GGUF file, which llama.cpp and everything around it can load."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from gguf import GGUFWriter, LlamaFileType, TokenType

from training.errors import TeacherError
from training.teacher.llama_library import library
from training.teacher.lm.model import Decoder
from training.teacher.lm.tokenizer import END_OF_TEXT, END_OF_TURN, Tokenizer

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML, which llama.cpp knows without an interpreter for templates too."""

Precision = Literal["F32", "F16"]
Quantisation = Literal["Q8_0", "Q4_K_M"]

_ARCHITECTURE: Final = "llama"


def write(
    path: Path,
    model: Decoder,
    tokenizer: Tokenizer,
    *,
    precision: Precision = "F32",
    name: str = "sluicegate teacher",
    chat_template: str = CHAT_TEMPLATE,
) -> None:
    """Write a model with its tokeniser, whole or not at all; the same ones give the same bytes.

    Args:
        path: of the file.
        model: any device.
        tokenizer: the one that it was trained with; :data:`SPECIAL` tokens included.
        precision: of matrices; norms are always F32.
        name: what loaders show.
        chat_template: Jinja, as llama.cpp has it.

    Raises:
        TeacherError: the tokeniser is not the model's.
    """
    known, expected = len(tokenizer), model.architecture.vocabulary
    if known != expected:
        raise TeacherError(
            f"the tokeniser has {known} tokens and the model {expected}:"
            " write a model with the tokeniser that it was trained with"
        )
    unfinished = path.with_suffix(".part")
    writer = GGUFWriter(unfinished, _ARCHITECTURE)
    writer.add_name(name)
    _add_architecture(writer, model)
    _add_tokenizer(writer, tokenizer, chat_template)
    _add_tensors(writer, model, precision)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(path)


def _add_architecture(writer: GGUFWriter, model: Decoder) -> None:
    architecture = model.architecture
    writer.add_vocab_size(architecture.vocabulary)
    writer.add_context_length(architecture.context)
    writer.add_embedding_length(architecture.width)
    writer.add_block_count(architecture.layers)
    writer.add_feed_forward_length(architecture.hidden)
    writer.add_head_count(architecture.heads)
    writer.add_head_count_kv(architecture.kv_heads)
    writer.add_rope_dimension_count(architecture.head_width)
    writer.add_rope_freq_base(architecture.rope_base)
    writer.add_layer_norm_rms_eps(architecture.norm_eps)


def _add_tokenizer(writer: GGUFWriter, tokenizer: Tokenizer, chat_template: str) -> None:
    special = tokenizer.special
    kinds = [
        TokenType.CONTROL if number in special else TokenType.NORMAL
        for number in range(len(tokenizer))
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(tokenizer.merges)
    writer.add_bos_token_id(tokenizer.number(END_OF_TEXT))
    writer.add_eos_token_id(tokenizer.number(END_OF_TURN))
    writer.add_pad_token_id(tokenizer.number(END_OF_TEXT))
    # A prompt is what its template says and nothing else.
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(chat_template)


def _add_tensors(writer: GGUFWriter, model: Decoder, precision: Precision) -> None:
    half = precision == "F16"
    writer.add_file_type(LlamaFileType.MOSTLY_F16 if half else LlamaFileType.ALL_F32)
    for name, tensor in model.state_dict().items():
        kind = torch.float16 if half and tensor.dim() == 2 else torch.float32
        writer.add_tensor(name, np.ascontiguousarray(tensor.to("cpu", kind).numpy()))


def quantise(source: Path, target: Path, to: Quantisation) -> None:
    """Quantise a GGUF file with llama.cpp's own quantiser.

    The K in Q4_K_M stands for blocks of 256 numbers. A matrix whose rows are no multiple of that
    gets a kind with blocks of 32, Q5_0 or Q8_0, which is larger: choose widths that are.

    Args:
        source: F32 or F16.
        target: the file to write, whole or not at all.
        to: the kind.

    Raises:
        TeacherError: llama.cpp is not installed, or refuses.
    """
    llama_cpp = library()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.nthread = 1
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{to}")
    unfinished = target.with_suffix(".part")
    files = os.fsencode(source), os.fsencode(unfinished)
    if llama_cpp.llama_model_quantize(*files, parameters):
        unfinished.unlink(missing_ok=True)
        raise TeacherError(f"{source}: llama.cpp cannot quantise it to {to}; is it F32 or F16?")
    unfinished.replace(target)
