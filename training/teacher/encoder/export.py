"""The encoder as one ONNX file that holds all it takes to ask it, whole or in int8."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import onnx

from training.errors import TeacherError
from training.teacher.encoder.about import KEY, About
from training.teacher.encoder.network import Encoder
from training.teacher.lm.tokenizer import Tokenizer

_OPSET: Final = 18


def export(path: Path, model: Encoder, tokenizer: Tokenizer, kinds: Sequence[str]) -> None:
    """Write an encoder by optimum's exporter, whole or not at all.

    Args:
        path: of the file.
        model: on the CPU.
        tokenizer: the one that it was trained with.
        kinds: of actions, in the order of its labels.

    Raises:
        TeacherError: optimum is not installed.
    """
    try:
        from optimum.exporters.onnx import (  # type: ignore[import-untyped]
            onnx_export_from_model,
        )
    except ImportError as error:
        raise _missing(error) from error
    with TemporaryDirectory() as folder:
        onnx_export_from_model(
            model.network.eval(),
            folder,
            opset=_OPSET,
            task="token-classification",
            do_validation=False,  # a test compares both, on texts instead of random numbers
        )
        graph = onnx.load(Path(folder) / "model.onnx")
    about = About(
        kinds=list(kinds),
        context=model.architecture.context,
        parameters=sum(weight.numel() for weight in model.parameters()),
        tokenizer=tokenizer.as_json(),
    )
    _write(path, graph, about.model_dump_json())


def quantise(source: Path, target: Path) -> None:
    """Write an encoder's matrices in int8, by channel, and quantise what comes in as it comes.

    Args:
        source: as :func:`export` wrote it.
        target: the file to write, whole or not at all.

    Raises:
        TeacherError: optimum is not installed.
    """
    try:
        from optimum.onnxruntime import (  # type: ignore[import-untyped]
            AutoQuantizationConfig,
            ORTQuantizer,
        )
    except ImportError as error:
        raise _missing(error) from error
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "model.onnx"
        plain.write_bytes(source.read_bytes())
        quantizer = ORTQuantizer.from_pretrained(folder, file_name=plain.name)
        config = AutoQuantizationConfig.arm64(is_static=False, per_channel=True)
        # Seven bits: on x86 without VNNI two products of bytes overflow their 16 bits otherwise
        # (onnxruntime's documentation of quantisation, "reduce_range").
        config.reduce_range = True
        quantizer.quantize(config, folder)
        graph = onnx.load(Path(folder) / "model_quantized.onnx")
    about = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    _write(target, graph, about[KEY])


def _write(path: Path, graph: onnx.ModelProto, about: str) -> None:
    onnx.helper.set_model_props(graph, {KEY: about})
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(graph.SerializeToString())
    unfinished.replace(path)


def _missing(error: ImportError) -> TeacherError:
    return TeacherError(f"no optimum here ({error}): pip install 'sluicegate[encoder]'")
