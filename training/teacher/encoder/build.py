"""From nothing to an encoder's file: tokeniser, training, export, quantisation.

::

    tokenizer.json
    tuned/                a run (`training.run`) over exercises
    encoder.onnx, encoder-int8.onnx
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from training.teacher.encoder.export import export, quantise
from training.teacher.encoder.network import Encoder
from training.teacher.encoder.reading import EncoderReader, measure
from training.teacher.lm.batch import Later
from training.teacher.lm.best import Show, begin, built, learning, train_best
from training.teacher.lm.build import TOKENIZER, tokenizer_of
from training.teacher.lm.drill import drill
from training.teacher.lm.exercises import KINDS
from training.teacher.lm.learn import LanguageLearner
from training.teacher.lm.recipe import Architecture, Tuning


def build(
    folder: Path,
    architecture: Architecture,
    tuning: Tuning,
    *,
    device: torch.device,
    processes: int = 1,
    show: Show = lambda _: None,
) -> dict[str, Any]:
    """Make an encoder, going on from what is in the folder.

    Args:
        folder: of everything.
        architecture: of the encoder, as of a decoder of the same size.
        tuning: how it is trained.
        device: to train on.
        processes: that make up exercises.
        show: called with every row of metrics.

    Returns:
        See :func:`training.teacher.lm.best.built`.

    Raises:
        RunError: the folder holds a build by another recipe.
        TeacherError: transformers or optimum are not installed, or what to begin with does not fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_of(folder / TOKENIZER, architecture.vocabulary, tuning.seed)
    torch.manual_seed(tuning.seed)
    model = Encoder(architecture.model_copy(update={"vocabulary": len(tokenizer)}), len(KINDS)).to(
        device
    )
    begin(model, tuning.start)
    tokens = folder / TOKENIZER
    data = Later(
        lambda: drill(
            tokens, tuning, EncoderReader, EncoderReader, device=device, processes=processes
        )
    )
    learner = LanguageLearner(model, data, learning(tuning, tuning.tuning_steps), measure)
    about = {"architecture": architecture.model_dump(), "recipe": tuning.model_dump(mode="json")}
    found = train_best(folder / "tuned", learner, about, show)
    files = [folder / "encoder.onnx", folder / "encoder-int8.onnx"]
    export(files[0], model.cpu(), tokenizer, KINDS)
    quantise(*files)
    return built(model, found, files)
