"""Exercises, what is learned of them, and a whole build of a tiny teacher."""

from __future__ import annotations

import json
import random
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import torch

from training.errors import RunError, TeacherError
from training.teacher.lm.build import BEST, QUANTISED, build
from training.teacher.lm.exercises import FEWEST, MOST, Exercise, draw
from training.teacher.lm.model import load
from training.teacher.lm.prose import documents, incident, prose, vocabulary
from training.teacher.lm.reading import Exercises, Reader, by_kind
from training.teacher.lm.recipe import Architecture, Recipe
from training.teacher.lm.tokenizer import Tokenizer
from training.teacher.playbook.reader import subjects
from training.teacher.playbook.rule import followed, prescribe
from training.teacher.playgrounds import BRIEFS, prompt_of
from training.teacher.teacher import StateText

SMALL = Architecture(vocabulary=900, width=32, layers=1, heads=2, kv_heads=2, hidden=64)
TINY = Recipe(documents=200, window=64, windows=4, pretraining_steps=3, exercises=4, tuning_steps=3)


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.train(vocabulary(1), 900)


@cache
def exercises() -> list[Exercise]:
    chance = random.Random(5)
    return [draw(chance) for _ in range(400)]


def test_exercises_are_of_all_sizes_and_both_playgrounds() -> None:
    sizes = Counter(len(it.lines) for it in exercises())
    assert set(sizes) <= {1, *range(FEWEST, MOST + 1)}
    assert max(sizes) > 40
    for brief in BRIEFS.values():
        share = sum(it.brief is brief for it in exercises()) / len(exercises())
        assert 0.1 < share < 0.9
    levels = Counter(rule.level for it in exercises() for rules in it.told for rule in rules)
    assert len(levels) == 5
    assert min(levels.values()) > 0.7 * max(levels.values())


def test_rules_hold_where_they_stand_and_prescribe_what_is_to_be_learned() -> None:
    for it in exercises():
        said = subjects(it.lines)
        for words, rules in zip(said.values(), it.told, strict=True):
            assert all(rule.holds(words) for rule in rules)
        assert sum(it.advice.values()) == pytest.approx(1)
        if len(it.lines) == 1:
            assert it.advice == pytest.approx(prescribe(it.told[0], said, it.actions[0]))
            assert set(followed(it.told[0], said["flow"])) <= set(it.told[0])


def test_what_is_learned_stands_where_the_answer_is_read() -> None:
    reader = Reader(tokenizer())
    seen = 0
    for it in exercises()[:60]:
        example = reader.example(it, random.Random(1))
        text = tokenizer().decode(example.tokens)
        (first, kinds), *hosts = example.targets.items()
        assert tokenizer().decode(example.tokens[: first + 1]).endswith("\nAction:")
        named = {tokenizer().decode([token]).strip(): p for token, p in kinds.items()}
        assert named == pytest.approx(by_kind(it.advice))
        if hosts:
            seen += 1
            ((place, numbers),) = hosts
            assert place == len(example.tokens) - 1
            kind, host = text[text.rindex("Action:") + 7 :].split()
            assert host == "host"
            expected = {
                label.removeprefix("host"): share / by_kind(it.advice)[kind]
                for (done, label), share in it.advice.items()
                if done == kind
            }
            found = {tokenizer().decode([token]): p for token, p in numbers.items()}
            assert found == pytest.approx(expected)
    assert seen > 20


def test_exercises_depend_on_the_generator_alone() -> None:
    data = Exercises(Reader(tokenizer()), 3, held_out=4, seed=2)
    batches = [data.batch(torch.Generator().manual_seed(seed)).tokens for seed in (1, 1, 2)]
    assert torch.equal(batches[0], batches[1])
    assert batches[0].shape != batches[2].shape or not torch.equal(batches[0], batches[2])
    again = Exercises(Reader(tokenizer()), 9, held_out=4, seed=2)
    pairs = zip(data.held_out(), again.held_out(), strict=True)
    assert all(torch.equal(one.tokens, other.tokens) for one, other in pairs)


def test_a_tokeniser_that_cuts_a_label_is_refused() -> None:
    with pytest.raises(TeacherError, match="the tokeniser cuts"):
        Reader(Tokenizer.train(["nothing of this kind"], 300))


def test_incidents_end_in_what_is_most_urgent() -> None:
    for it in exercises()[:60]:
        text = incident(it, random.Random(1))
        action = text.removesuffix(".").rpartition("Nothing is more urgent than this: ")[2]
        assert action in it.actions
        kind, _, host = action.partition(" ")
        mine = it.advice.get((kind, host), it.advice.get((kind, "flow")))
        assert mine == pytest.approx(max(it.advice.values()))
    assert [*documents(3, 5)] == [*documents(3, 5)]
    assert len(prose()) > 40


@pytest.mark.slow
def test_a_build_goes_through_and_is_not_made_twice(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="needs llama.cpp: pip install 'sluicegate[teacher]'")
    from training.teacher.llama import LlamaTeacher

    made = build(tmp_path, SMALL, TINY, device=torch.device("cpu"))
    files = [tmp_path / f"teacher-{kind}.gguf" for kind in ("F32", *QUANTISED)]
    assert made["files"] == {file.name: file.stat().st_size for file in files}
    model = load(tmp_path / "tuned" / BEST)
    assert made["parameters"] == sum(weight.numel() for weight in model.parameters())
    kept = json.loads((tmp_path / "tuned" / "best.json").read_text())
    assert made["held_out_kl"] == kept["held_out_kl"]
    brief = BRIEFS["cage2"]
    lines = ("host1 core vital bare", "host2 cheap accessed", "host3 spare")
    state = StateText({}, lines, ("sleep", "decoy host1", "decoy host2", "decoy host3"))
    for file in files:
        with LlamaTeacher(file, prompt_of(brief)) as teacher:
            row = teacher.distribution([state])[0]
        assert row.sum().item() == pytest.approx(1, abs=1e-5)
    before = [file.read_bytes() for file in files]
    assert build(tmp_path, SMALL, TINY, device=torch.device("cpu")) == made
    assert [file.read_bytes() for file in files] == before


def test_a_build_by_another_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tuned").mkdir()
    other = TINY.model_copy(update={"pretraining_steps": 0, "tuning_steps": 9})
    asked = {
        "asked": {"architecture": SMALL.model_dump(), "recipe": other.model_dump()},
        "begun": {},
    }
    (tmp_path / "tuned" / "settings.json").write_text(json.dumps(asked))
    same = other.model_copy(update={"tuning_steps": 3})
    with pytest.raises(RunError, match="a run with other settings is there"):
        build(tmp_path, SMALL, same, device=torch.device("cpu"))
