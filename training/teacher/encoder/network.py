"""The encoder: ModernBERT (Warner et al. 2024, arXiv 2412.13663) of the decoder's dimensions.

Its blocks hold as many weights as the decoder's: rotary embeddings, a gated feed-forward network,
no biases. But every token sees every other one, on both sides.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import nn

from training.errors import TeacherError
from training.teacher.lm.recipe import Architecture

PADDING: Final = 0  # the token that fills up short texts; no text of ours has it


def _transformers() -> Any:
    """The library, which is heavy and only needed to train and to export.

    Raises:
        TeacherError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise TeacherError(
            f"no transformers here ({error}): pip install 'sluicegate[encoder]'"
        ) from error
    return transformers


class Encoder(nn.Module):
    """Scores every label at every token; initial weights come from torch's global generator.

    Args:
        architecture: dimensions; keys and values are never shared, nor are weights tied.
        labels: that there are.

    Raises:
        TeacherError: transformers is not installed.
    """

    def __init__(self, architecture: Architecture, labels: int) -> None:
        super().__init__()
        self.architecture, self.labels = architecture, labels
        library = _transformers()
        self.network = library.ModernBertForTokenClassification(
            library.ModernBertConfig(
                vocab_size=architecture.vocabulary,
                hidden_size=architecture.width,
                intermediate_size=architecture.hidden,
                num_hidden_layers=architecture.layers,
                num_attention_heads=architecture.heads,
                max_position_embeddings=architecture.context,
                global_rope_theta=architecture.rope_base,
                norm_eps=architecture.norm_eps,
                global_attn_every_n_layers=1,
                pad_token_id=PADDING,
                bos_token_id=PADDING,
                eos_token_id=PADDING,
                cls_token_id=PADDING,
                sep_token_id=PADDING,
                num_labels=labels,
                attn_implementation="sdpa",
                reference_compile=False,
            )
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores ``(B, T, labels)`` of ``(B, T)`` tokens.

        Raises:
            TeacherError: there are more of them than the context holds.
        """
        length, context = tokens.shape[1], self.architecture.context
        if length > context:
            raise TeacherError(f"{length} tokens do not fit the encoder's context of {context}")
        scores: torch.Tensor = self.network(
            input_ids=tokens, attention_mask=tokens != PADDING
        ).logits
        return scores
