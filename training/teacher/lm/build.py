"""From nothing to a teacher's file: tokeniser, pre-training, fine-tuning, GGUF, quantisation.

Each part has a folder, and a build that was cut off goes on where it was::

    tokenizer.json
    pretrained/      a run (`training.run`) over prose and incidents
    tuned/           a run over exercises; ``best.pt`` is its best model on those held out
    teacher-F32.gguf, teacher-Q8_0.gguf, teacher-Q4_K_M.gguf
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from training.teacher.lm.batch import Later, PackedText
from training.teacher.lm.best import Show, begin, built, learning, train_best
from training.teacher.lm.drill import drill
from training.teacher.lm.exercises import draw, draw_by_heart
from training.teacher.lm.gguf_file import Quantisation, quantise, write
from training.teacher.lm.learn import LanguageLearner
from training.teacher.lm.model import Decoder
from training.teacher.lm.prose import documents, vocabulary
from training.teacher.lm.reading import Reader
from training.teacher.lm.recipe import Architecture, Recipe
from training.teacher.lm.tokenizer import END_OF_TEXT, Tokenizer

TOKENIZER: Final = "tokenizer.json"
QUANTISED: Final[tuple[Quantisation, ...]] = ("Q8_0", "Q4_K_M")


def build(
    folder: Path,
    architecture: Architecture,
    recipe: Recipe,
    *,
    device: torch.device,
    processes: int = 1,
    show: Show = lambda _: None,
) -> dict[str, Any]:
    """Make a teacher, going on from what is in the folder.

    Args:
        folder: of everything.
        architecture: of the model; its vocabulary is as large as texts allow, up to what it says.
        recipe: how it is trained.
        device: to train on.
        processes: that make up exercises.
        show: called with every row of metrics.

    Returns:
        See :func:`training.teacher.lm.best.built`; without fine-tuning, ``held_out_kl`` and
        ``agreement`` are not numbers.

    Raises:
        RunError: the folder holds a build by another recipe.
        TeacherError: llama.cpp is not installed, or what to begin with does not fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_of(folder / TOKENIZER, architecture.vocabulary, recipe.seed)
    torch.manual_seed(recipe.seed)
    model = Decoder(architecture.model_copy(update={"vocabulary": len(tokenizer)})).to(device)
    begin(model, recipe.start)
    about = {"architecture": architecture.model_dump(), "recipe": recipe.model_dump(mode="json")}
    if recipe.pretraining_steps:
        text = Later(lambda: PackedText(_text(tokenizer, recipe), recipe.window, recipe.windows))
        learner = LanguageLearner(model, text, learning(recipe, recipe.pretraining_steps))
        found = train_best(folder / "pretrained", learner, about, show)
    if recipe.exercises:
        make = partial(Reader, draw=draw if recipe.passages else draw_by_heart)
        along = partial(make, along=recipe.along)
        data = Later(
            lambda: drill(
                folder / TOKENIZER, recipe, along, make, device=device, processes=processes
            )
        )
        learner = LanguageLearner(model, data, learning(recipe, recipe.tuning_steps))
        found = train_best(folder / "tuned", learner, about, show)
    files = _files(folder, model, tokenizer)
    return built(model, found, files)


def tokenizer_of(path: Path, size: int, seed: int) -> Tokenizer:
    """The tokeniser of a build, which is trained if it is not there yet."""
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


def _files(folder: Path, model: Decoder, tokenizer: Tokenizer) -> list[Path]:
    """The model as GGUF, whole and quantised."""
    whole = folder / "teacher-F32.gguf"
    write(whole, model, tokenizer)
    files = [whole]
    for kind in QUANTISED:
        files.append(folder / f"teacher-{kind}.gguf")
        quantise(whole, files[-1], kind)
    return files
