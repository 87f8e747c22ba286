"""The network: what fills texts up does not count, what does not fit is refused, and its size."""

from __future__ import annotations

import pytest
import torch

from tests.training.encoder.tiny import encoder, outspoken
from training.errors import TeacherError
from training.teacher.encoder.network import PADDING, Encoder
from training.teacher.lm.exercises import KINDS
from training.teacher.lm.model import Decoder
from training.teacher.lm.recipe import Architecture

pytest.importorskip("transformers", reason="needs it: pip install 'sluicegate[encoder]'")


def tokens(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(1, 900, (length,), generator=generator) for length in lengths]


@torch.no_grad()
def test_padding_changes_no_scores() -> None:
    model, texts = outspoken(), tokens(3, 40, 150)  # further apart than any window of attention
    together = model(torch.nn.utils.rnn.pad_sequence(texts, True, PADDING))
    assert together.shape == (3, 150, len(KINDS))
    for text, row in zip(texts, together, strict=True):
        torch.testing.assert_close(row[: len(text)], model(text[None])[0], rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("changed", [0, 299])
def test_every_token_sees_every_other_one(changed: int) -> None:
    model, (text,) = outspoken(), tokens(300)
    other = text.clone()
    other[changed] = 1 + (text[changed] + 1) % 800
    differ = (model(text[None]) - model(other[None]))[0].abs().amax(1)
    assert (differ > 1e-6).all()


@torch.no_grad()
def test_more_than_the_context_is_refused() -> None:
    model, (text,) = encoder(context=32), tokens(33)
    assert model(text[None, :32]).isfinite().all()
    with pytest.raises(TeacherError, match="33 tokens do not fit the encoder's context of 32"):
        model(text[None])


def test_the_same_seed_gives_the_same_weights() -> None:
    one, other = encoder().state_dict(), encoder().state_dict()
    assert all(torch.equal(weight, other[name]) for name, weight in one.items())


def test_it_is_about_as_large_as_the_decoder() -> None:
    usual = Architecture()
    sizes = [
        sum(weight.numel() for weight in model.parameters())
        for model in (Encoder(usual, len(KINDS)), Decoder(usual))
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
