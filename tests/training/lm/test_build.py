"""A whole build of a tiny teacher: what it makes, that it goes on, and what it refuses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from tests.training.lm.small import Piece, collate, decoder
from training.errors import RunError
from training.teacher.lm.batch import Batch, Later
from training.teacher.lm.best import BEST, learning, train_best
from training.teacher.lm.build import QUANTISED, TOKENIZER, build
from training.teacher.lm.learn import LanguageLearner
from training.teacher.lm.model import Decoder, load
from training.teacher.lm.recipe import Architecture, Recipe, Tuning
from training.teacher.playgrounds import BRIEFS, prompt_of
from training.teacher.teacher import StateText

SMALL = Architecture(vocabulary=900, width=32, layers=1, heads=2, kv_heads=2, hidden=64)
TINY = Recipe(
    documents=200, window=64, windows=4, pretraining_steps=4, exercises=64, held_out=8, batch=16
)
CPU = torch.device("cpu")
FILES = [f"teacher-{kind}.gguf" for kind in ("F32", *QUANTISED)]


def needs_llama() -> None:
    pytest.importorskip("llama_cpp", reason="needs llama.cpp: pip install 'sluicegate[teacher]'")


def contents(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in (TOKENIZER, *FILES)]


@pytest.mark.slow
def test_a_build_goes_through_and_is_not_made_twice(tmp_path: Path) -> None:
    needs_llama()
    from training.teacher.llama import LlamaTeacher

    made = build(tmp_path, SMALL, TINY, device=CPU)
    assert made["files"] == {name: (tmp_path / name).stat().st_size for name in FILES}
    model = load(tmp_path / "tuned" / BEST)
    assert made["parameters"] == sum(weight.numel() for weight in model.parameters())
    assert made["vocabulary"] == model.architecture.vocabulary
    kept = json.loads((tmp_path / "tuned" / "best.json").read_text())
    assert made["held_out_kl"] == kept["held_out_kl"]
    brief = BRIEFS["cage2"]
    lines = ("host1 core vital bare", "host2 cheap accessed", "host3 spare")
    state = StateText({}, lines, ("sleep", "decoy host1", "decoy host2", "decoy host3"))
    for name in FILES:
        with LlamaTeacher(tmp_path / name, prompt_of(brief)) as teacher:
            row = teacher.distribution([state])[0]
        assert row.sum().item() == pytest.approx(1, abs=1e-5)
    before = contents(tmp_path)
    assert build(tmp_path, SMALL, TINY, device=CPU) == made
    assert contents(tmp_path) == before


@pytest.mark.parametrize("part", ["pretrained", "tuned"])
def test_a_build_that_was_cut_off_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    needs_llama()
    monkeypatch.setattr("training.teacher.lm.best._EVALUATE", 2)

    def cut(row: dict[str, float]) -> None:
        if row["steps"] == 2 and (tmp_path / "cut" / part).exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "cut", SMALL, TINY, device=CPU, show=cut)
    assert (tmp_path / "cut" / part / "resume.pt").exists()
    other = TINY.model_copy(update={"epochs": 2.0})
    with pytest.raises(RunError):
        build(tmp_path / "cut", SMALL, other, device=CPU)
    rest: list[float] = []
    again = build(
        tmp_path / "cut", SMALL, TINY, device=CPU, show=lambda row: rest.append(row["steps"])
    )
    assert rest == ([4, 2, 4] if part == "pretrained" else [4])
    assert again == build(tmp_path / "whole", SMALL, TINY, device=CPU)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_build_may_be_trained_on_text_alone(tmp_path: Path) -> None:
    needs_llama()
    made = build(tmp_path, SMALL, TINY.model_copy(update={"exercises": 0}), device=CPU)
    assert math.isnan(made["held_out_kl"])
    assert math.isnan(made["agreement"])
    assert {entry.name for entry in tmp_path.iterdir()} == {TOKENIZER, "pretrained", *FILES}


def test_a_build_may_learn_the_playbook_by_heart(tmp_path: Path) -> None:
    needs_llama()
    made = build(
        tmp_path, SMALL, TINY.model_copy(update={"passages": False, "along": 0}), device=CPU
    )
    assert made["held_out_kl"] > 0


def test_a_recipe_for_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="there must be exercises or pretraining_steps"):
        Recipe(exercises=0, pretraining_steps=0)


def test_updates_are_as_many_as_epochs_take() -> None:
    assert Tuning(exercises=640, batch=64).tuning_steps == 10
    assert Tuning(exercises=640, batch=64, epochs=1.5).tuning_steps == 15
    assert Tuning(exercises=3, batch=64).tuning_steps == 1


def test_a_build_by_another_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tuned").mkdir()
    recipe = TINY.model_copy(update={"pretraining_steps": 0})
    other = recipe.model_copy(update={"epochs": 2.0})
    asked = {
        "asked": {"architecture": SMALL.model_dump(), "recipe": other.model_dump()},
        "begun": {},
    }
    (tmp_path / "tuned" / "settings.json").write_text(json.dumps(asked))
    with pytest.raises(RunError, match="a run with other settings is there"):
        build(tmp_path, SMALL, recipe, device=CPU)


@pytest.mark.parametrize(
    "changes", [{"learning_rate": 1e-2}, {"seed": 2}, {"pretraining_steps": 5}]
)
def test_a_build_that_has_ended_is_refused_to_another_recipe(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    needs_llama()
    build(tmp_path, SMALL, TINY, device=CPU)
    with pytest.raises(RunError):
        build(tmp_path, SMALL, TINY.model_copy(update=changes), device=CPU)


class Astray(LanguageLearner):
    """Its first evaluation is the best one."""

    def evaluate(self) -> dict[str, float]:
        return {**super().evaluate(), "held_out_loss": float(self.steps_done)}


class Nothing:
    """One text to learn."""

    def batch(self, generator: torch.Generator) -> Batch:
        return collate([Piece([1, 2, 3], text=True)])

    def held_out(self) -> list[Batch]:
        return [self.batch(torch.Generator())]


def test_data_is_made_once_and_not_before_it_is_asked_for() -> None:
    made: list[Nothing] = []

    def make() -> Nothing:
        made.append(Nothing())
        return made[0]

    later = Later(make)
    assert not made
    for _ in range(2):
        assert len(later.held_out()) == len(made) == 1


def test_the_best_model_is_kept_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.teacher.lm.best._EVALUATE", 1)
    seen: list[dict[str, Any]] = []

    def show(row: dict[str, float]) -> None:
        seen.append({name: value.clone() for name, value in learner.model.state_dict().items()})

    learner = Astray(decoder(), Nothing(), learning(Tuning(), 3))
    best = train_best(tmp_path, learner, {}, show)
    assert (best["steps"], len(seen)) == (1, 3)
    for model in (learner.model, load(tmp_path / BEST)):
        assert isinstance(model, Decoder)
        assert all(torch.equal(seen[0][name], w) for name, w in model.state_dict().items())
    assert any(not torch.equal(seen[0][name], seen[2][name]) for name in seen[0])
