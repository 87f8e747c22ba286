"""From nothing to a teacher's file: tokeniser, pre-training, fine-tuning, GGUF, quantisation.

Each part has a folder, and a build that was cut off goes on where it was::

    tokenizer.json
    pretrained/      a run (`training.run`) over prose and incidents
    tuned/           a run over exercises; ``best.pt`` is its best model on those held out
    teacher-F32.gguf, teacher-Q8_0.gguf, teacher-Q4_K_M.gguf
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from training.run import RESULT, run
from training.teacher.lm.batch import Data, PackedText
from training.teacher.lm.gguf_file import Quantisation, quantise, write
from training.teacher.lm.learn import LanguageLearner, Learning
from training.teacher.lm.model import Decoder, load, save
from training.teacher.lm.prose import documents, vocabulary
from training.teacher.lm.reading import Exercises, Reader
from training.teacher.lm.recipe import Architecture, Recipe
from training.teacher.lm.tokenizer import END_OF_TEXT, Tokenizer

TOKENIZER: Final = "tokenizer.json"
BEST: Final = "best.pt"
QUANTISED: Final[tuple[Quantisation, ...]] = ("Q8_0", "Q4_K_M")

_EVALUATE: Final = 200  # updates between evaluations

Show = Callable[[dict[str, float]], object]


def build(
    folder: Path,
    architecture: Architecture,
    recipe: Recipe,
    *,
    device: torch.device,
    show: Show = lambda _: None,
) -> dict[str, Any]:
    """Make a teacher, going on from what is in the folder.

    Args:
        folder: of everything.
        architecture: of the model; its vocabulary is as large as texts allow, up to what it says.
        recipe: how it is trained.
        device: to train on.
        show: called with every row of metrics.

    Returns:
        ``parameters``, ``vocabulary``, ``held_out_kl`` and ``agreement`` of the best model, and the
        ``files`` with their sizes in bytes.

    Raises:
        RunError: the folder holds a build by another recipe.
        TeacherError: llama.cpp is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(folder / TOKENIZER, architecture.vocabulary, recipe.seed)
    torch.manual_seed(recipe.seed)
    model = Decoder(architecture.model_copy(update={"vocabulary": len(tokenizer)}))
    about = {"architecture": architecture.model_dump(), "recipe": recipe.model_dump()}
    if recipe.pretraining_steps:
        text = PackedText(_text(tokenizer, recipe), recipe.window, recipe.windows)
        learning = _learning(recipe, recipe.pretraining_steps)
        model = _run(folder / "pretrained", model, text, learning, about, device, show)
    exercises = Exercises(Reader(tokenizer), recipe.exercises, seed=recipe.seed)
    learning = _learning(recipe, recipe.tuning_steps)
    model = _run(folder / "tuned", model, exercises, learning, about, device, show)
    files = _files(folder, model, tokenizer)
    row = json.loads((folder / "tuned" / "best.json").read_text())
    return {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "vocabulary": len(tokenizer),
        "held_out_kl": row["held_out_kl"],
        "agreement": row["agreement"],
        "files": {file.name: file.stat().st_size for file in files},
    }


def _learning(recipe: Recipe, steps: int) -> Learning:
    return Learning(
        seed=recipe.seed,
        steps=steps,
        learning_rate=recipe.learning_rate,
        warm_up=min(100, steps),
        mixed=recipe.mixed,
        evaluate_every=min(_EVALUATE, steps),
    )


def _tokenizer(path: Path, size: int, seed: int) -> Tokenizer:
    if not path.exists():
        Tokenizer.train(vocabulary(seed), size).save(path)
    return Tokenizer.load(path)


def _text(tokenizer: Tokenizer, recipe: Recipe) -> torch.Tensor:
    """All documents' tokens ``(N,)``, each with the token that ends one."""
    end = tokenizer.number(END_OF_TEXT)
    tokens: list[int] = []
    for document in documents(recipe.seed, recipe.documents):
        tokens += [*tokenizer.encode(document), end]
    return torch.tensor(tokens)


def _run(
    folder: Path,
    model: Decoder,
    data: Data,
    learning: Learning,
    about: dict[str, Any],
    device: torch.device,
    show: Show,
) -> Decoder:
    """The best model of a run that began with ``model``, on held-out data."""
    if not (folder / RESULT).exists():
        learner = LanguageLearner(model.to(device), data, learning)
        keeper = _Keeper(folder, learner.model)

        def shown(row: dict[str, float]) -> None:
            keeper.look(row)
            show(row)

        run(learner, folder, about, show=shown)
    return load(folder / BEST)


class _Keeper:
    """Keeps the model that was best on held-out data, and what was measured of it."""

    def __init__(self, folder: Path, model: Decoder) -> None:
        self.folder, self.model = folder, model

    def look(self, row: dict[str, float]) -> None:
        """Keep the model if it is better than the one that is kept."""
        kept = self.folder / "best.json"
        if kept.exists() and json.loads(kept.read_text())["return"] >= row["return"]:
            return
        save(self.folder / BEST, self.model)
        kept.write_text(json.dumps(row) + "\n")


def _files(folder: Path, model: Decoder, tokenizer: Tokenizer) -> list[Path]:
    """The model as GGUF, whole and quantised."""
    whole = folder / "teacher-F32.gguf"
    write(whole, model, tokenizer)
    files = [whole]
    for kind in QUANTISED:
        files.append(folder / f"teacher-{kind}.gguf")
        quantise(whole, files[-1], kind)
    return files
