"""An encoder's files: they say what the encoder says, and need nothing beside them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from tests.training.encoder.tiny import Exported, answer, encoder
from tests.training.lm.small import fluent
from training.errors import TeacherError
from training.teacher.cases import read_cases
from training.teacher.encoder.about import KEY
from training.teacher.encoder.export import export, quantise
from training.teacher.encoder.spelling import spell
from training.teacher.encoder.teacher import EncoderTeacher
from training.teacher.lm.exercises import KINDS
from training.teacher.lm.tokenizer import Tokenizer
from training.teacher.playgrounds import BRIEFS, prompt_of
from training.teacher.question import Question


def questions() -> list[Question]:
    """Of both playgrounds, short ones and long ones."""
    prompts = {name: prompt_of(brief) for name, brief in BRIEFS.items()}
    return [prompts[case.brief.name](case.state) for case in read_cases()[::25]]


def test_both_score_texts_alike(exported: Exported) -> None:
    session = ort.InferenceSession(str(exported.whole), providers=["CPUExecutionProvider"])
    lengths = set()
    for question in questions():
        tokens = spell(question, fluent(), KINDS).tokens
        given = np.array([tokens])
        found = session.run(None, {"input_ids": given, "attention_mask": np.ones_like(given)})[0]
        with torch.no_grad():
            wanted = exported.model(torch.tensor([tokens]))
        assert wanted.std() > 0.1  # or else there would be nothing to compare
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-4)
        lengths.add(len(tokens))
    assert len(lengths) > 5
    assert max(lengths) > 2 * min(lengths)


def test_in_int8_it_says_nearly_the_same(exported: Exported) -> None:
    apart = []
    for case in read_cases()[::25]:
        prompt = prompt_of(case.brief)
        row = EncoderTeacher(exported.int8, prompt).distribution([case.state])[0]
        apart.append(float((row - answer(exported.model, prompt(case.state))).abs().sum() / 2))
    # Total variation: 0.008 on average and 0.017 at most when this was written.
    assert max(apart) < 0.05
    assert 0 < np.mean(apart) < 0.02


def test_int8_is_smaller(exported: Exported) -> None:
    about = len(fluent().as_json())
    weights = [file.stat().st_size - about for file in (exported.whole, exported.int8)]
    assert weights[1] < 0.5 * weights[0]


@pytest.mark.parametrize("name", ["whole", "int8"])
def test_a_file_says_all_that_it_takes_to_ask_it(exported: Exported, name: str) -> None:
    props = {entry.key: entry.value for entry in onnx.load(getattr(exported, name)).metadata_props}
    about = json.loads(props[KEY])
    tokenizer = Tokenizer.from_json(about.pop("tokenizer"))
    assert about == {
        "kinds": [*KINDS],
        "context": 1024,
        "parameters": sum(weight.numel() for weight in exported.model.parameters()),
    }
    assert tokenizer.as_json() == fluent().as_json()


@pytest.mark.parametrize("name", ["whole", "int8"])
def test_a_file_may_be_moved_alone(exported: Exported, name: str, tmp_path: Path) -> None:
    source: Path = getattr(exported, name)
    assert {*source.parent.iterdir()} == {exported.whole, exported.int8}
    moved = tmp_path / "away" / "other.onnx"
    moved.parent.mkdir()
    moved.write_bytes(source.read_bytes())
    case = read_cases()[0]
    rows = [
        EncoderTeacher(path, prompt_of(case.brief)).distribution([case.state])
        for path in (source, moved)
    ]
    assert torch.equal(rows[0], rows[1])


def test_without_optimum_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers", reason="needs it: pip install 'sluicegate[encoder]'")
    for module in ("optimum.exporters.onnx", "optimum.onnxruntime"):
        monkeypatch.setitem(sys.modules, module, None)
    file = tmp_path / "encoder.onnx"
    with pytest.raises(TeacherError, match=r"no optimum here .*pip install 'sluicegate\[encoder\]"):
        export(file, encoder(), fluent(), KINDS)
    with pytest.raises(TeacherError, match=r"no optimum here .*pip install 'sluicegate\[encoder\]"):
        quantise(file, tmp_path / "encoder-int8.onnx")
    assert not [*tmp_path.iterdir()]
