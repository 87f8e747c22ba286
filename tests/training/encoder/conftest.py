"""An encoder and its files, which several modules ask."""

from __future__ import annotations

import pytest

from tests.training.encoder.tiny import Exported, outspoken
from tests.training.lm.small import fluent
from training.teacher.encoder.export import export, quantise
from training.teacher.lm.exercises import KINDS


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    for library in ("transformers", "optimum"):
        pytest.importorskip(library, reason="needs an exporter: pip install 'sluicegate[encoder]'")
    folder = tmp_path_factory.mktemp("exported")
    made = Exported(outspoken(), folder / "encoder.onnx", folder / "encoder-int8.onnx")
    export(made.whole, made.model, fluent(), KINDS)
    quantise(made.whole, made.int8)
    return made
