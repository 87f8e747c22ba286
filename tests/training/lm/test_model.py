"""The decoder: parts by hand, what must not depend on what, and its file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tests.training.lm.small import VOCABULARY, decoder, outspoken
from training.errors import TeacherError
from training.teacher.lm.model import Block, RMSNorm, angles, load, read_weights, rotate, save
from training.teacher.lm.recipe import Architecture


def test_norm_by_hand() -> None:
    norm = RMSNorm(2, 0.5)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0]))
    root = math.sqrt((3**2 + 4**2) / 2 + 0.5)
    torch.testing.assert_close(norm(torch.tensor([3.0, 4.0])), torch.tensor([3, 8]) / root)


def test_feed_forward_by_hand() -> None:
    block = Block(Architecture(width=2, heads=1, kv_heads=1, hidden=1))
    with torch.no_grad():
        block.ffn_gate.weight.copy_(torch.tensor([[1.0, 0.0]]))
        block.ffn_up.weight.copy_(torch.tensor([[0.0, 1.0]]))
        block.ffn_down.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    gated = 2 / (1 + math.exp(-2)) * 3  # silu of the first, times the second
    torch.testing.assert_close(
        block.feed_forward(torch.tensor([2.0, 3.0])), torch.tensor([gated, -gated])
    )


def test_rotation_by_hand() -> None:
    turn = angles(Architecture(width=4, heads=1, kv_heads=1, rope_base=100.0))
    assert turn[3].tolist() == pytest.approx([3.0, 0.3])
    quarter = torch.tensor([[0.0, 0.0], [math.pi / 2, math.pi]])
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    expected = torch.tensor([[1.0, 2.0, 3.0, 4.0], [-2.0, 1.0, -3.0, -4.0]])
    torch.testing.assert_close(rotate(x, quarter.cos(), quarter.sin()), expected)


def test_scores_depend_on_distance_only() -> None:
    turn = angles(Architecture(width=16, heads=1, kv_heads=1))
    query, key = torch.randn(2, 16)
    scores = (
        rotate(query.expand(40, 16), turn[:40].cos(), turn[:40].sin())
        @ rotate(key.expand(40, 16), turn[:40].cos(), turn[:40].sin()).T
    )
    for distance in range(-5, 6):
        along = scores.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_a_later_token_changes_nothing_before_it(kv_heads: int) -> None:
    model = outspoken(decoder(kv_heads=kv_heads))
    tokens = torch.randint(VOCABULARY, (2, 20))
    changed = tokens.clone()
    changed[:, 12] = (changed[:, 12] + 1) % VOCABULARY
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :12], after[:, :12])
    assert (before[:, 12:] != after[:, 12:]).any(2).all()


def test_padding_changes_nothing() -> None:
    model, tokens = outspoken(decoder()), torch.randint(VOCABULARY, (1, 9))
    padded = torch.cat([tokens, tokens.new_zeros(1, 7)], 1)
    torch.testing.assert_close(model(padded)[:, :9], model(tokens))


def test_shared_keys_are_those_of_several_heads() -> None:
    shared, whole = outspoken(decoder(kv_heads=2)), decoder()
    weights = shared.state_dict()
    for name in weights:
        if "attn_k" in name or "attn_v" in name:
            heads = weights[name].unflatten(0, (2, 8))
            weights[name] = heads.repeat_interleave(2, 0).flatten(0, 1)
    whole.load_state_dict(weights)
    tokens = torch.randint(VOCABULARY, (2, 10))
    torch.testing.assert_close(shared(tokens), whole(tokens))


def test_chosen_places_have_the_same_logits() -> None:
    model, tokens = outspoken(decoder()), torch.randint(VOCABULARY, (3, 10))
    chosen = torch.tensor([0, 9, 25])
    some = model.logits(model.embed(tokens).flatten(0, 1)[chosen])
    torch.testing.assert_close(some, model(tokens).flatten(0, 1)[chosen])


@pytest.mark.parametrize("tied", [True, False])
def test_embeddings_are_the_outputs_weights_if_tied(tied: bool) -> None:
    weights = decoder(tied=tied).state_dict()
    assert ("output.weight" in weights) is not tied
    assert sum(weight.numel() for weight in weights.values()) == (
        VOCABULARY * 32 * (1 if tied else 2) + 2 * (4 * 32 * 32 + 3 * 32 * 64 + 2 * 32) + 32
    )


def test_an_untrained_model_knows_nothing() -> None:
    logits = decoder()(torch.randint(VOCABULARY, (4, 32)))
    assert logits.softmax(2).amax() < 3 / VOCABULARY


@pytest.mark.parametrize(
    "wrong", [{"width": 30}, {"heads": 3}, {"kv_heads": 3}, {"layers": 0}, {"depth": 2}]
)
def test_impossible_architectures_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Architecture(**{"width": 32, "heads": 4, "kv_heads": 4, **wrong})


def test_too_long_a_prompt_is_refused() -> None:
    with pytest.raises(TeacherError, match=r"257 tokens do not fit .* 256: shorten"):
        decoder()(torch.zeros(1, 257, dtype=torch.int64))


def test_a_saved_model_comes_back(tmp_path: Path) -> None:
    model, tokens = outspoken(decoder(kv_heads=2, tied=False)), torch.randint(VOCABULARY, (1, 9))
    save(tmp_path / "model.pt", model)
    loaded = load(tmp_path / "model.pt")
    assert loaded.architecture == model.architecture
    assert torch.equal(loaded(tokens), model(tokens))


def test_a_saved_models_weights_can_be_read_alone(tmp_path: Path) -> None:
    model = decoder()
    save(tmp_path / "model.pt", model)
    architecture, weights = read_weights(tmp_path / "model.pt")
    assert architecture == model.architecture
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    model = decoder()
    other = {"architecture": decoder(layers=1).architecture.model_dump()}
    torch.save(other | {"weights": model.state_dict()}, tmp_path / "model.pt")
    with pytest.raises(TeacherError, match=r"model\.pt: not a language model"):
        load(tmp_path / "model.pt")


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.pt"
    if content is None:
        torch.save({"weights": {}}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(TeacherError, match=r"model\.pt: not a language model"):
        load(path)
