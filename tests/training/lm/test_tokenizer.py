"""The tokeniser: there and back, special tokens, and the same tokens as llama.cpp's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.lm.small import VOCABULARY, Llama, decoder, texts, tokenizer
from training.errors import TeacherError
from training.teacher.lm.gguf_file import write
from training.teacher.lm.tokenizer import END_OF_TEXT, SPECIAL, Tokenizer

STRINGS = [
    "", " ", "  ", "\n", "\n\n", " \n", "\t\t x", "a", "host1", "host12", "host 12", "host50:",
    "host12host3", "1234567890", "3.14", "10%", "0x1f", "-5", "1,000,000", "v1.2.3-rc4",
    "isolate host4 or patch host2.", "Don't, we've, they'll, I'm, it's, he'd, you're",
    "DON'T WE'VE", "it\u2019s", "a  b   c    d", "trailing   ", "   leading", "line\nline\r\nline",
    "line \n line", "line\n\n\n  indented", "\ttab", "a\u00a0b", "semi;colon:dash-under_score",
    "(a) [b] {c} <d> \"e\" 'f' `g`", "!!!", "?!...", "$%&#@*+=/\\|~^", "e=mc²", "½ ¾ Ⅷ ①",
    "café naïve Zürich", "Ångström", "привет мир", "Ωμέγα", "日本語の文", "中文12字", "한국어",
    "مرحبا بالعالم", "नमस्ते", "🙂", "👩‍👩‍👧 family", "a🙂b 1🙂2", "\u200bzero\u200dwidth",
    "e\u0301 combining", "\x00\x01\x7f", "<|endoftext|>", "<|im_start|>user", "< |im_end| >",
    "<|im_end|><|im_end|>", "x<|endoftext|>y", "The Server IS Under ATTACK", *texts()[:40],
]  # fmt: skip


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Llama:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write(path, decoder(layers=1), tokenizer())
    return Llama(path)


@pytest.mark.parametrize("special", [False, True])
def test_llama_has_the_same_tokens(llama: Llama, special: bool) -> None:
    ours = tokenizer()
    for text in STRINGS:
        assert llama.encode(text, special) == ours.encode(text, special), repr(text)


@pytest.mark.parametrize("special", [False, True])
def test_text_comes_back(special: bool) -> None:
    ours = tokenizer()
    for text in STRINGS:
        assert ours.decode(ours.encode(text, special)) == text


def test_text_holds_no_special_token_unless_it_may() -> None:
    ours = tokenizer()
    text = f"a {END_OF_TEXT} b"
    assert not ours.special & set(ours.encode(text))
    assert ours.special & set(ours.encode(text, special=True)) == {ours.number(END_OF_TEXT)}


def test_special_tokens_come_first() -> None:
    ours = Tokenizer.train(texts(), 300, (*SPECIAL, "<|more|>"))
    assert [ours.number(token) for token in (*SPECIAL, "<|more|>")] == [0, 1, 2, 3]
    assert ours.special == {0, 1, 2, 3}


def test_the_same_texts_give_the_same_tokenizer(tmp_path: Path) -> None:
    for name in ("one", "two"):
        tokenizer().save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_it_learns_the_words_of_its_texts() -> None:
    ours = tokenizer()
    assert len(ours) == VOCABULARY
    assert len(ours.tokens) == len(set(ours.tokens)) == VOCABULARY
    assert len(ours.encode(" operational server")) == 2
    assert len(ours.encode("host17")) <= 3


def test_few_texts_give_few_tokens() -> None:
    assert len(Tokenizer.train(["ab"], 400)) == 256 + len(SPECIAL) + 1


def test_a_saved_tokenizer_comes_back(tmp_path: Path) -> None:
    ours = tokenizer()
    ours.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.tokens == ours.tokens
    assert all(loaded.encode(text) == ours.encode(text) for text in STRINGS)


def test_a_tokenizer_comes_back_out_of_its_text() -> None:
    ours = tokenizer()
    again = Tokenizer.from_json(ours.as_json())
    assert again.as_json() == ours.as_json()
    assert all(again.encode(text) == ours.encode(text) for text in STRINGS)
    with pytest.raises(TeacherError, match=r"^not a tokeniser"):
        Tokenizer.from_json("{}")


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(TeacherError, match=r"tokenizer\.json: not a tokeniser"):
        Tokenizer.load(tmp_path / "tokenizer.json")
    with pytest.raises(TeacherError, match="not a tokeniser"):
        Tokenizer.load(tmp_path / "none.json")


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(TeacherError, match=r"258 has no room .* say 259 or more"):
        Tokenizer.train(texts(), 258)


def test_an_unknown_special_token_is_refused() -> None:
    with pytest.raises(TeacherError, match=r"no token <\|none\|>"):
        tokenizer().number("<|none|>")
