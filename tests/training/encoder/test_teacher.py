"""The encoder as a teacher: what it answers, what it remembers, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime as ort
import pytest
import torch

from tests.training.encoder.tiny import PROMPT, Exported, answer, state, with_about
from tests.training.lm.small import fluent
from training.errors import TeacherError
from training.teacher.encoder.spelling import spell
from training.teacher.encoder.teacher import EncoderTeacher
from training.teacher.fitting import fitting
from training.teacher.lm.exercises import KINDS
from training.teacher.models import open_model
from training.teacher.question import Question
from training.teacher.teacher import StateText

STATE = state("host1 vital accessed", "host2 vital", "host3 accessed")
OTHER = state("host1 vital", "host2 accessed", "host3")
WHAT_TO_DO = "not an encoder that can teach .* make one by `sluice-train teacher train-encoder`"


class Runs:
    """Counts what sessions are asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        run: Callable[..., object] = ort.InferenceSession.run

        def counted(*arguments: object) -> object:
            self.count += 1
            return run(*arguments)

        monkeypatch.setattr(ort.InferenceSession, "run", counted)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(monkeypatch)


def length(shortened: int) -> int:
    """Tokens of the question about the state."""
    return len(spell(PROMPT(STATE, shortened), fluent(), KINDS).tokens)


def test_a_row_is_a_softmax_over_the_actions(exported: Exported) -> None:
    table = EncoderTeacher(exported.whole, PROMPT).distribution([STATE, OTHER])
    assert table.shape == (2, 10)
    assert table.dtype == torch.float32
    torch.testing.assert_close(table.sum(1), torch.ones(2))
    wanted = torch.stack([answer(exported.model, PROMPT(it, 0)) for it in (STATE, OTHER)])
    assert wanted.std(1).min() > 0.01
    torch.testing.assert_close(table, wanted, rtol=1e-3, atol=1e-5)


def test_the_actions_may_come_in_any_order(exported: Exported) -> None:
    teacher = EncoderTeacher(exported.whole, PROMPT)
    turned = StateText({}, STATE.lines, STATE.actions[::-1])
    row = teacher.distribution([turned])[0]
    torch.testing.assert_close(row, answer(exported.model, PROMPT(turned)), rtol=1e-3, atol=1e-5)


def test_parameters_are_the_encoders(exported: Exported) -> None:
    weights = sum(weight.numel() for weight in exported.model.parameters())
    assert EncoderTeacher(exported.int8, PROMPT).parameters == weights


def test_what_was_asked_is_not_run_again(exported: Exported, runs: Runs) -> None:
    teacher = EncoderTeacher(exported.whole, PROMPT)
    first = teacher.distribution([STATE])
    assert runs.count == 1
    # Facts are not shown to it.
    known = StateText({"seconds": 3.0}, STATE.lines, STATE.actions)
    assert torch.equal(teacher.distribution([STATE, known]), first.repeat(2, 1))
    assert runs.count == 1
    teacher.distribution([OTHER])
    assert runs.count == 2


def test_other_actions_are_another_state(exported: Exported, runs: Runs) -> None:
    teacher = EncoderTeacher(exported.whole, PROMPT)
    teacher.distribution([STATE])
    fewer = teacher.distribution([StateText({}, STATE.lines, STATE.actions[:4])])
    assert runs.count == 2
    assert fewer.shape == (1, 4)


def test_an_answer_that_is_changed_outside_stays_what_it_was(exported: Exported) -> None:
    teacher = EncoderTeacher(exported.whole, PROMPT)
    first = teacher.distribution([STATE])
    kept = first.clone()
    first.zero_()
    assert torch.equal(teacher.distribution([STATE]), kept)


def test_no_more_is_remembered_than_there_is_room_for(exported: Exported, runs: Runs) -> None:
    teacher = EncoderTeacher(exported.whole, PROMPT, remembered=1)
    for it in (STATE, OTHER, OTHER, STATE):
        teacher.distribution([it])
    assert runs.count == 3


def test_what_is_forgotten_is_asked_again(exported: Exported, runs: Runs) -> None:
    teacher = EncoderTeacher(exported.whole, PROMPT)
    first = teacher.distribution([STATE])
    teacher.forget()
    assert torch.equal(teacher.distribution([STATE]), first)
    assert runs.count == 2


def test_a_teacher_that_was_closed_cannot_be_asked(exported: Exported) -> None:
    teacher = EncoderTeacher(exported.whole, PROMPT)
    teacher.close()
    with pytest.raises(TeacherError, match="was closed; open it again"):
        teacher.distribution([STATE])


def test_closing_twice_does_no_harm(exported: Exported) -> None:
    teacher = EncoderTeacher(exported.whole, PROMPT)
    teacher.close()
    teacher.close()


@pytest.mark.parametrize("content", [None, b"", b"GIF89a", b"\x00" * 1000])
def test_what_is_no_encoder_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "wrong.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TeacherError, match=rf"wrong\.onnx: {WHAT_TO_DO}"):
        EncoderTeacher(path, PROMPT)


def test_another_network_is_refused(exported: Exported, tmp_path: Path) -> None:
    path, graph = tmp_path / "other.onnx", onnx.load(exported.whole)
    del graph.metadata_props[:]
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(TeacherError, match=rf"other\.onnx: {WHAT_TO_DO}"):
        EncoderTeacher(path, PROMPT)


@pytest.mark.parametrize("wrong", [{"kinds": 3}, {"context": 0}, {"context": None}, {"more": 1}])
def test_a_file_that_says_something_else_is_refused(
    exported: Exported, tmp_path: Path, wrong: dict[str, object]
) -> None:
    path = with_about(exported.whole, tmp_path / "other.onnx", **wrong)
    with pytest.raises(TeacherError, match=rf"other\.onnx: {WHAT_TO_DO}"):
        EncoderTeacher(path, PROMPT)


def test_a_file_with_a_wrong_tokeniser_is_refused(exported: Exported, tmp_path: Path) -> None:
    path = with_about(exported.whole, tmp_path / "other.onnx", tokenizer="{}")
    with pytest.raises(TeacherError, match=rf"other\.onnx: {WHAT_TO_DO}"):
        EncoderTeacher(path, PROMPT)


def test_a_kind_that_it_was_not_trained_on_is_refused(exported: Exported, tmp_path: Path) -> None:
    path = with_about(exported.whole, tmp_path / "few.onnx", kinds=[*KINDS[:2]])
    with pytest.raises(TeacherError, match="not trained on actions called 'remove'"):
        EncoderTeacher(path, PROMPT).distribution([STATE])


@pytest.mark.parametrize("shortened", [0, 1, 2, 3])
def test_no_more_lines_are_shortened_than_it_takes(
    exported: Exported, tmp_path: Path, shortened: int
) -> None:
    assert shortened == 0 or length(shortened) < length(shortened - 1)
    path = with_about(exported.whole, tmp_path / "short.onnx", context=length(shortened))
    row = EncoderTeacher(path, PROMPT).distribution([STATE])[0]
    wanted = answer(exported.model, PROMPT(STATE, shortened))
    torch.testing.assert_close(row, wanted, rtol=1e-3, atol=1e-5)


def test_what_does_not_fit_however_short_is_refused(exported: Exported, tmp_path: Path) -> None:
    least = length(3)
    path = with_about(exported.whole, tmp_path / "short.onnx", context=least - 1)
    with pytest.raises(
        TeacherError,
        match=rf"short\.onnx: a prompt and answer of {least} tokens do not fit .* of {least - 1}",
    ):
        EncoderTeacher(path, PROMPT).distribution([STATE])


@pytest.mark.parametrize(("context", "cut"), [(40, 0), (39, 1), (30, 1), (29, 2), (10, 3)])
def test_the_least_cut_that_fits_is_found(context: int, cut: int) -> None:
    assert fitting(lambda n: (n, 40 - 10 * n), 4, context, "m") == cut


def test_where_cutting_a_line_saves_nothing_more_are_cut() -> None:
    lengths = [9, 9, 9, 5]
    assert fitting(lambda n: (n, lengths[n]), 3, 8, "m") == 3


def asked(state: StateText, shortened: int) -> Question:
    raise AssertionError("nothing is asked before a state comes")


@pytest.mark.parametrize("name", ["whole", "int8"])
def test_an_onnx_file_is_opened_as_an_encoder(exported: Exported, name: str) -> None:
    assert isinstance(open_model(getattr(exported, name), asked), EncoderTeacher)


def test_a_language_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="needs llama.cpp: pip install 'sluicegate[teacher]'")
    with pytest.raises(TeacherError, match=r"none\.gguf: cannot be read .* name a GGUF file"):
        open_model(tmp_path / "none.gguf", asked)


@pytest.mark.parametrize("name", ["model.pt", "model", "model.ONNX", "onnx"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TeacherError, match=r"name a language model \(.gguf\) or an encoder"):
        open_model(tmp_path / name, asked)
