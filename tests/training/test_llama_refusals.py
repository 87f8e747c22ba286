"""What a language model's teacher refuses, and in which words."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.errors import TeacherError
from training.teacher import llama_library
from training.teacher.chat import render
from training.teacher.llama import LlamaTeacher
from training.teacher.question import Question, choices

pytest.importorskip("llama_cpp", reason="needs llama.cpp: pip install 'sluicegate[teacher]'")
from tests.training import tiny_gguf
from tests.training.exhaustive import ask, state


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return tiny_gguf.write(tmp_path / "m.gguf", tiny_gguf.byte_level(262), context=256)


def refused(path: Path, message: str, **options: Any) -> None:
    with pytest.raises(TeacherError, match=message) as found:  # noqa: SIM117
        with LlamaTeacher(path, ask, **options) as it:
            it.distribution([state(1)])
    assert "\n" not in str(found.value)


def test_a_template_that_takes_no_system_message_gets_one_message(tmp_path: Path) -> None:
    alone = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "<|user|>{{ messages[0].content }}<|end|>"
    )
    asked = Question("rules", "state", "A:", choices(("allow", "block")))
    assert render(asked, alone) == "<|user|>rules\n\nstate<|end|>"
    for broken in ("{% if %}", "{{ raise_exception('never') }}", "{{ 1 / 0 }}"):
        with pytest.raises(TeacherError, match="chat template cannot be used"):
            render(asked, broken)


def test_closed_it_answers_only_what_it_remembers(small: Path) -> None:
    with LlamaTeacher(small, ask) as teacher:
        row = teacher.distribution([state(1)])
    assert torch.equal(teacher.distribution([state(1)]), row)
    with pytest.raises(TeacherError, match="was closed; open it again"):
        teacher.distribution([state(2)])


@pytest.mark.parametrize(("chosen", "kept"), [(None, "passive"), ("active", "active")])
def test_waiting_threads_sleep_unless_told_otherwise(chosen: str | None, kept: str) -> None:
    code = (
        "import os; from training.teacher import llama_library; llama_library.library();"
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    env = {**os.environ, "OMP_WAIT_POLICY": chosen or ""}
    if chosen is None:
        del env["OMP_WAIT_POLICY"]
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == kept


def test_files_that_cannot_be_used_are_refused(small: Path, tmp_path: Path) -> None:
    refused(tmp_path / "absent.gguf", r"absent\.gguf: cannot be read \(No such file")
    (tmp_path / "text.gguf").write_text("not a model")
    refused(tmp_path / "text.gguf", "is not a GGUF file")
    for size in (40, 100_000):
        (tmp_path / "cut.gguf").write_bytes(small.read_bytes()[:size])
        refused(tmp_path / "cut.gguf", r"llama.cpp cannot load it \((?!it did not say).*truncated")


def test_contexts_that_do_not_fit_are_refused(small: Path) -> None:
    refused(small, "a context of 257 tokens was asked for, but .* trained for 256", context=257)
    refused(small, "prompt and answer of 1.. tokens do not fit a context of 100", context=100)
    refused(small, "0 threads", threads=0)


def test_a_vocabulary_that_cannot_express_a_label_is_refused(tmp_path: Path) -> None:
    whole = tiny_gguf.byte_level(262)
    tokens = tuple("unused" if token == "z" else token for token in whole.tokens)
    path = tiny_gguf.write(tmp_path / "m.gguf", replace(whole, tokens=tokens))
    with LlamaTeacher(path, ask) as it, pytest.raises(TeacherError, match="cannot express 'doze'"):
        it.distribution([state(1, ("sleep", "doze"))])


def test_pieces_without_bytes_are_refused(tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "m.gguf", tiny_gguf.sentence_piece(300, byte_tokens=False))
    refused(path, "its vocabulary has no byte tokens")


def test_without_the_library_it_says_what_to_install(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llama_library.library.cache_clear()
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    refused(small, r"pip install 'sluicegate\[teacher\]'")


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    vocabulary = tiny_gguf.byte_level(262)
    weights = tiny_gguf.random_weights(len(vocabulary.tokens), 2, 32)
    weights["output.weight"][:] = np.nan
    path = tiny_gguf.write(tmp_path / "m.gguf", vocabulary, weights=weights)
    refused(path, "probabilities are not numbers")


def test_the_library_keeps_quiet(small: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with LlamaTeacher(small, ask) as teacher:
        teacher.distribution([state(1)])
    assert capfd.readouterr() == ("", "")
