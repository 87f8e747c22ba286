"""A run of which the best model on held-out data is kept, not the last one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from torch import nn

from training.errors import TeacherError
from training.run import ended, run
from training.teacher.lm.learn import LanguageLearner, Learning
from training.teacher.lm.model import read_weights, save
from training.teacher.lm.recipe import Architecture, Tuning

BEST: Final = "best.pt"
_FOUND: Final = "best.json"
_EVALUATE: Final = 200  # updates between evaluations

Show = Callable[[dict[str, float]], object]


def learning(tuning: Tuning, steps: int) -> Learning:
    """How to train for so many updates."""
    return Learning(
        seed=tuning.seed,
        steps=steps,
        learning_rate=tuning.learning_rate,
        warm_up=min(100, steps),
        mixed=tuning.mixed,
        evaluate_every=min(_EVALUATE, steps),
    )


def begin(model: nn.Module, start: Path | None) -> None:
    """Give a model the weights that another build found best.

    Raises:
        TeacherError: the file cannot be read, or is of a model with another architecture.
    """
    if start is None:
        return
    architecture, weights = read_weights(start)
    if architecture != model.architecture:
        raise TeacherError(
            f"{start}: weights of another architecture, {architecture}; begin with the same one,"
            " and with that build's tokenizer.json in the folder"
        )
    model.load_state_dict(weights)


def train_best(
    folder: Path, learner: LanguageLearner, about: dict[str, Any], show: Show
) -> dict[str, float]:
    """Train to the end, or go on with what is in the folder; then the model is the best one.

    Args:
        folder: of the run; ``best.pt`` is the model there.
        learner: at its start.
        about: all settings.
        show: called with every row of metrics.

    Returns:
        The row of metrics at which the model was best.

    Raises:
        RunError: the folder holds a run with other settings.
    """
    kept, found = folder / BEST, folder / _FOUND

    def shown(row: dict[str, float]) -> None:
        if not found.exists() or json.loads(found.read_text())["return"] < row["return"]:
            save(kept, learner.model)
            found.write_text(json.dumps(row) + "\n")
        show(row)

    if not ended(folder, about):
        run(learner, folder, about, show=shown)
    learner.model.load_state_dict(read_weights(kept)[1])
    best: dict[str, float] = json.loads(found.read_text())
    return best


def built(model: nn.Module, found: Mapping[str, float], files: Sequence[Path]) -> dict[str, Any]:
    """What a build tells of its model.

    Args:
        model: the best one.
        found: its row of metrics.
        files: that hold it.

    Returns:
        ``parameters``, ``vocabulary``, ``held_out_kl`` (nats), ``agreement``, and the ``files`` by
        name with their sizes in bytes.
    """
    return {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "vocabulary": cast(Architecture, model.architecture).vocabulary,
        "held_out_kl": found["held_out_kl"],
        "agreement": found["agreement"],
        "files": {file.name: file.stat().st_size for file in files},
    }
