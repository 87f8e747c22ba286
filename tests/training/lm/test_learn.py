"""Training: batches, losses by hand, toy tasks that are learned, and runs that go on."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.lm.small import Piece, collate, decoder
from training.errors import TeacherError
from training.run import run
from training.teacher.lm.batch import Batch, Example, PackedText
from training.teacher.lm.learn import LanguageLearner, Learning, measure
from training.teacher.lm.model import Decoder

ANSWERS, KINDS = 4, 3
NONE, KIND, RULES = ANSWERS, ANSWERS + 1, ANSWERS + 1 + KINDS


def model(**changes: Any) -> Decoder:
    return decoder(**{"vocabulary": 24, "context": 24, **changes})


class Lookup:
    """A prompt states a rule for each kind, in any order, then asks for one of them.

    Tokens: the answers and "none"; the kinds; the rules, one for each kind and answer.
    """

    def examples(self, count: int, generator: torch.Generator) -> list[Example]:
        order = torch.rand(count, KINDS, generator=generator).argsort(1)
        answers = torch.randint(ANSWERS, order.shape, generator=generator)
        rules = RULES + order * ANSWERS + answers
        prompts = torch.cat([rules, KIND + order[:, :1]], 1)
        # What is asked for stands first: the others are shuffled around it.
        places = torch.rand(rules.shape, generator=generator).argsort(1)
        prompts[:, :KINDS] = rules.gather(1, places)
        return [
            Example(prompt, {KINDS: {answer: 0.8, NONE: 0.2}})
            for prompt, answer in zip(prompts.tolist(), answers[:, 0].tolist(), strict=True)
        ]

    def batch(self, generator: torch.Generator) -> Batch:
        return collate(self.examples(64, generator))

    def held_out(self) -> Sequence[Batch]:
        return [collate(self.examples(200, torch.Generator().manual_seed(99)))]


class Fixed:
    """The same examples all the time."""

    def __init__(self, *examples: Example) -> None:
        self._batch = collate(examples)

    def batch(self, generator: torch.Generator) -> Batch:
        return self._batch

    def held_out(self) -> Sequence[Batch]:
        return [self._batch]


def learner(data: Any, **settings: Any) -> LanguageLearner:
    return LanguageLearner(model(), data, Learning(**settings))


def trained(data: Any, **settings: Any) -> tuple[LanguageLearner, dict[str, float]]:
    learning = learner(data, **settings)
    while learning.progress < 1:
        row = learning.iterate()
    return learning, row


def test_packed_windows_foretell_the_next_token() -> None:
    data = PackedText(torch.arange(100), 7, 4, held_out=0.2)
    batch = data.batch(torch.Generator().manual_seed(1))
    assert batch.tokens.shape == (4, 7)
    assert torch.equal(batch.following, batch.tokens.flatten() + 1)
    assert batch.following.max() < 80
    held_out = torch.cat([part.tokens for part in data.held_out()])
    assert held_out.flatten().tolist() == list(range(80, 94))


def test_too_little_text_is_refused() -> None:
    with pytest.raises(TeacherError, match="too few for windows of 7"):
        PackedText(torch.arange(100), 7, 4, held_out=0.05)


def test_losses_by_hand() -> None:
    decoder_, batch = model(), collate([Piece([1, 2, 3], {2: {4: 0.5, 5: 0.5}}, text=True)])
    log_probs = decoder_(batch.tokens)[0].log_softmax(1)
    measured = measure(decoder_, batch)
    torch.testing.assert_close(measured.text, -torch.stack([log_probs[0, 2], log_probs[1, 3]]))
    kl = math.log(0.5) - (log_probs[2, 4] + log_probs[2, 5]) / 2
    torch.testing.assert_close(measured.kl, kl[None])
    loss = learner(Fixed(Piece([1, 2], text=True)), text_weight=0.25).loss(measured)
    torch.testing.assert_close(loss, 0.25 * measured.text.mean() + kl)


def test_any_of_the_likeliest_tokens_agrees() -> None:
    decoder_, batch = model(), collate([Example([1, 2], {1: {4: 0.5, 5: 0.5}})])
    likeliest = int(decoder_(batch.tokens)[0, 1].argmax())
    for target, agreed in (({likeliest: 0.4, 0: 0.4, 1: 0.2}, 1), ({likeliest: 0.4, 1: 0.6}, 0)):
        assert measure(decoder_, collate([Example([1, 2], {1: target})])).agreed.item() == agreed


def test_padding_and_company_change_no_loss() -> None:
    long, short = Piece(list(range(9)), text=True), Example([1, 2], {1: {3: 1.0}})
    together = measure(model(), collate([long, short]))
    torch.testing.assert_close(together.text, measure(model(), collate([long])).text)
    torch.testing.assert_close(together.kl, measure(model(), collate([short])).kl)


def test_the_rate_rises_then_falls() -> None:
    learning = learner(Lookup(), steps=110, warm_up=10, learning_rate=1.0)
    rates = []
    for learning.steps_done in range(111):
        rates.append(learning.rate())
    assert rates[:11] == pytest.approx([k / 10 for k in range(1, 11)] + [1.0])
    assert rates[60] == pytest.approx(0.5)
    assert rates[110] == pytest.approx(0.0)


def test_only_matrices_decay() -> None:
    learning = learner(Lookup(), weight_decay=0.5)
    decaying, rest = learning.optimizer.param_groups
    assert {p.dim() for p in decaying["params"]} == {2}
    assert {p.dim() for p in rest["params"]} == {1}
    assert (decaying["weight_decay"], rest["weight_decay"]) == (0.5, 0.0)


def test_distributions_are_reached() -> None:
    wanted = {3: 0.5, 4: 0.3, 5: 0.2}
    data = Fixed(Example([1, 2], {1: wanted}), Example([2, 1], {1: {7: 1.0}}))
    learning, row = trained(data, steps=150, learning_rate=3e-3, weight_decay=0.0)
    found = learning.model(torch.tensor([[1, 2]]))[0, 1].softmax(0)
    for token, probability in wanted.items():
        assert found[token].item() == pytest.approx(probability, abs=0.02)
    assert row["held_out_kl"] < 0.01
    assert row["agreement"] == 1
    assert math.isnan(row["text_loss"])


@pytest.mark.parametrize("mixed", [False, True])
def test_rules_in_the_prompt_are_looked_up(mixed: bool) -> None:
    _, row = trained(Lookup(), steps=150, learning_rate=4e-3, mixed=mixed)
    assert row["agreement"] > 0.95
    assert row["held_out_kl"] < 0.05


def test_text_is_learned() -> None:
    data = PackedText(torch.arange(2000) % 5, 12, 16)
    _, row = trained(data, steps=100, learning_rate=3e-3, evaluate_every=100)
    assert row["held_out_text_loss"] < 0.1
    assert row["return"] == -row["held_out_loss"]
    assert row["tokens"] == 100 * 16 * 12


def test_held_out_means_are_over_places() -> None:
    data = Fixed(Piece([1, 2, 3, 4, 5, 6], text=True))
    short = collate([Piece([9, 9], text=True)])
    data.held_out = lambda: [data.batch(torch.Generator()), short]  # type: ignore[method-assign]
    learning = learner(data)
    assert isinstance(learning.model, Decoder)
    texts = [measure(learning.model, batch).text for batch in data.held_out()]
    expected = torch.cat(texts).mean().item()
    assert learning.evaluate()["held_out_text_loss"] == pytest.approx(expected)


class Both(Lookup):
    """Lookups whose text is to be foretold too."""

    def examples(self, count: int, generator: torch.Generator) -> list[Example]:
        found = super().examples(count, generator)
        return [Piece(example.tokens, example.targets, text=True) for example in found]


def test_a_cut_off_run_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.run.commit", lambda: "0123456789ab")
    settings = {"steps": 20, "evaluate_every": 3, "warm_up": 4}

    def cut(row: dict[str, float]) -> None:
        if row["steps"] == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(learner(Both(), **settings), tmp_path / "cut", settings, show=cut)
    again, whole = learner(Both(), **settings), learner(Both(), **settings)
    run(again, tmp_path / "cut", settings)
    result = run(whole, tmp_path / "whole", settings)
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    assert result["steps"] == 20
    assert (tmp_path / "whole" / "curve.svg").exists()
    pairs = zip(again.model.parameters(), whole.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def rows(folder: Path) -> list[dict[str, str]]:
    """Of the metrics, without what two runs cannot share."""
    with (folder / "metrics.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert all(row.pop("steps_per_second") and row.pop("seconds") for row in found)
    return found
