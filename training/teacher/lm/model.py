"""A decoder of the Llama architecture (Touvron et al. 2023, arXiv 2302.13971), in plain torch.

Modules have the names that llama.cpp gives to the tensors of its architecture "llama", so that
a state dict is what a GGUF file holds. Rotary embeddings turn neighbouring dimensions, as
llama.cpp does, so no weight needs permuting on the way.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Final, cast

import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from training.errors import TeacherError
from training.teacher.lm.recipe import Architecture

_DEVIATION: Final = 0.02  # of initial weights (Radford et al. 2019, GPT-2)


class RMSNorm(nn.Module):
    """Divides by the root of the mean square (Zhang and Sennrich 2019, arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., W)`` to the same shape."""
        return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


def angles(architecture: Architecture) -> torch.Tensor:
    """Rotary embeddings' angles ``(context, head_width / 2)`` in radians."""
    half = architecture.head_width // 2
    powers = torch.arange(half, dtype=torch.float64) / half
    positions = torch.arange(architecture.context, dtype=torch.float64)
    return torch.outer(positions, architecture.rope_base**-powers).float()


def rotate(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Turn neighbouring pairs of dimensions (Su et al. 2021, arXiv 2104.09864).

    Args:
        x: ``(..., T, D)``.
        cosine: ``(T, D / 2)``, of the angles.
        sine: likewise.
    """
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = even * cosine - odd * sine, even * sine + odd * cosine
    return torch.stack(turned, -1).flatten(-2)


class Block(nn.Module):
    """Causal attention, then a feed-forward network, each added to what came in."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, hidden = architecture.width, architecture.hidden
        self.head_width = architecture.head_width
        kv_width = architecture.kv_heads * self.head_width
        self.attn_norm = RMSNorm(width, architecture.norm_eps)
        self.attn_q = nn.Linear(width, width, bias=False)
        self.attn_k = nn.Linear(width, kv_width, bias=False)
        self.attn_v = nn.Linear(width, kv_width, bias=False)
        self.attn_output = nn.Linear(width, width, bias=False)
        self.ffn_norm = RMSNorm(width, architecture.norm_eps)
        self.ffn_gate = nn.Linear(width, hidden, bias=False)
        self.ffn_up = nn.Linear(width, hidden, bias=False)
        self.ffn_down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        """``(B, T, W)`` to the same shape."""
        x = x + self.attend(self.attn_norm(x), cosine, sine)
        return x + self.feed_forward(self.ffn_norm(x))

    def attend(self, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        """Look back; several heads may share keys and values (arXiv 2305.13245)."""
        q, k, v = (
            project(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            for project in (self.attn_q, self.attn_k, self.attn_v)
        )
        seen = functional.scaled_dot_product_attention(
            rotate(q, cosine, sine),
            rotate(k, cosine, sine),
            v,
            is_causal=True,
            enable_gqa=q.shape[1] != k.shape[1],
        )
        return self.attn_output(seen.transpose(1, 2).flatten(2))

    def feed_forward(self, x: torch.Tensor) -> torch.Tensor:
        """SwiGLU (Shazeer 2020, arXiv 2002.05202)."""
        return self.ffn_down(functional.silu(self.ffn_gate(x)) * self.ffn_up(x))


class Decoder(nn.Module):
    """The language model; initial weights come from torch's global generator."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        vocabulary, width = architecture.vocabulary, architecture.width
        self.token_embd = nn.Embedding(vocabulary, width)
        self.blk = nn.ModuleList(Block(architecture) for _ in range(architecture.layers))
        self.output_norm = RMSNorm(width, architecture.norm_eps)
        self.output = None if architecture.tied else nn.Linear(width, vocabulary, bias=False)
        turn = angles(architecture)
        self.register_buffer("cosine", turn.cos(), persistent=False)
        self.register_buffer("sine", turn.sin(), persistent=False)
        self._initialise()

    cosine: torch.Tensor
    sine: torch.Tensor

    def _initialise(self) -> None:
        # What is added to the residual stream is smaller, so that its sum over layers is not
        # larger in deeper models (Radford et al. 2019).
        added = _DEVIATION / math.sqrt(2 * self.architecture.layers)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                small = "attn_output" in name or "ffn_down" in name
                nn.init.normal_(weight, std=added if small else _DEVIATION)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits ``(B, T, V)`` of what follows each of ``(B, T)`` tokens."""
        return self.logits(self.embed(tokens))

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """What the model makes of ``(B, T)`` tokens and of those before them, ``(B, T, W)``.

        Raises:
            TeacherError: there are more of them than the context holds.
        """
        length, context = tokens.shape[1], self.architecture.context
        if length > context:
            raise TeacherError(
                f"{length} tokens do not fit the model's context of {context}:"
                " shorten the prompt, or build a model with a larger context"
            )
        x = self.token_embd(tokens)
        for block in self.blk:
            x = block(x, self.cosine[:length], self.sine[:length])
        return x

    def logits(self, embedded: torch.Tensor) -> torch.Tensor:
        """Logits ``(..., V)`` for any positions ``(..., W)`` out of :meth:`embed`."""
        output = self.token_embd if self.output is None else self.output
        return functional.linear(self.output_norm(embedded), output.weight)


def save(path: Path, model: nn.Module) -> None:
    """Write a model with an ``architecture``, whole or not at all."""
    unfinished, settings = path.with_suffix(".part"), cast(Architecture, model.architecture)
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    torch.save({"architecture": settings.model_dump(), "weights": weights}, unfinished)
    unfinished.replace(path)


def read_weights(path: Path) -> tuple[Architecture, dict[str, torch.Tensor]]:
    """What was saved there, on the CPU.

    Raises:
        TeacherError: it cannot be read.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        return Architecture(**saved["architecture"]), saved["weights"]
    except (
        OSError, RuntimeError, KeyError, TypeError, EOFError, ValidationError,
        pickle.UnpicklingError,
    ) as error:  # fmt: skip
        raise _unreadable(path, error) from error


def load(path: Path) -> Decoder:
    """The decoder that was saved there, on the CPU.

    Raises:
        TeacherError: it cannot be read.
    """
    architecture, weights = read_weights(path)
    model = Decoder(architecture)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    return model


def _unreadable(path: Path, error: Exception) -> TeacherError:
    reason = " ".join(str(error).split())[:200]
    return TeacherError(f"{path}: not a language model ({reason}); train one anew")
