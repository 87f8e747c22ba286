"""``sluice-train teacher``: commands about language models that teach."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from agent.words import printable
from training.options import with_options
from training.progress import training_bar
from training.teacher.lm.recipe import Architecture, Recipe, Tuning

if TYPE_CHECKING:
    from training.teacher.qualification import Certificate

_PAPER: float = 3690.0  # ms a step of the paper's teacher, on a DGX-H100 (arXiv 2509.05311)

app = typer.Typer(no_args_is_help=True, help="Language models as teachers: examine them.")


@app.callback()
def _root() -> None:
    """Language models as teachers."""


@app.command()
def qualify(
    model: Annotated[Path, typer.Argument(help="a GGUF file, or an encoder's ONNX file")],
    threads: Annotated[int, typer.Option(min=1, help="of llama.cpp; on busy cores, 1")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="of changed passages and permutations")] = 0,
    write: Annotated[bool, typer.Option(help="keep the certificate beside the model")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """Examine a model as a teacher: exit status 0 if it may guide, 1 if not."""
    from training.teacher.cases import read_cases
    from training.teacher.certify import certify
    from training.teacher.qualification import keep

    with _examining() as advance:
        certificate = certify(model, read_cases(), threads=threads, seed=seed, advance=advance)
    if as_json:
        print(certificate.as_json())
    else:
        _print(model, certificate)
    if write:
        keep(model, certificate)
    raise typer.Exit(1 if certificate.failed else 0)


@app.command("compare")
def compare_command(
    model: Annotated[Path, typer.Argument(help="a model's file, a quantised one say")],
    other: Annotated[Path, typer.Argument(help="what it is measured by, the whole one say")],
    threads: Annotated[int, typer.Option(min=1, help="of llama.cpp; on busy cores, 1")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """How far a model's advice is from another's, on the states of the examination."""
    from training.teacher.cases import read_cases
    from training.teacher.compare import compare

    with _examining() as advance:
        found = compare(model, other, read_cases(), threads=threads, advance=advance)
    if as_json:
        print(json.dumps(asdict(found)))
    else:
        print(
            f"{found.cases} states: the likeliest action is the same in {found.agreement:.1%},"
            f" divergence {found.kl:.5f} nats (99 % below {found.kl_p99:.5f}), total variation"
            f" {found.tv:.4f}"
        )


@contextmanager
def _examining() -> Iterator[Callable[[], None]]:
    stderr = Console(stderr=True)
    with Progress(console=stderr, disable=not stderr.is_terminal, transient=True) as bar:
        task = bar.add_task("examining", total=None)
        yield lambda: bar.advance(task)


Folder = Annotated[Path, typer.Argument(help="of the build; a cut-off build goes on there")]
Device = Annotated[str, typer.Option(help="cpu or cuda")]
Threads = Annotated[int, typer.Option(min=1, help="of the CPU")]
Processes = Annotated[int, typer.Option(min=1, help="that make up exercises")]
AsJson = Annotated[bool, typer.Option("--json", help="the result as JSON")]


@app.command("train")
@with_options(architecture=Architecture, recipe=Recipe)
def train_command(
    folder: Folder,
    architecture: Architecture,
    recipe: Recipe,
    device: Device = "cpu",
    threads: Threads = 2,
    processes: Processes = 2,
    as_json: AsJson = False,
) -> None:
    """Train a small language model of our own, and write it as GGUF files."""
    from training.teacher.lm.build import build

    _build(build, folder, architecture, recipe, device, threads, processes, as_json)


@app.command("train-encoder")
@with_options(architecture=Architecture, tuning=Tuning)
def train_encoder(
    folder: Folder,
    architecture: Architecture,
    tuning: Tuning,
    device: Device = "cpu",
    threads: Threads = 2,
    processes: Processes = 2,
    as_json: AsJson = False,
) -> None:
    """Train an encoder of the same size on the same exercises, and write it as ONNX files."""
    from training.teacher.encoder.build import build

    _build(build, folder, architecture, tuning, device, threads, processes, as_json)


def _build(
    build: Callable[..., dict[str, Any]],
    folder: Path,
    architecture: Architecture,
    tuning: Tuning,
    device: str,
    threads: int,
    processes: int,
    as_json: bool,
) -> None:
    import torch

    from training.device import pick

    torch.set_num_threads(threads)
    with training_bar("reading", tuning.tuning_steps) as show:
        result = build(
            folder, architecture, tuning, device=pick(device), processes=processes, show=show
        )
    if as_json:
        print(json.dumps(result))
    else:
        print(f"{folder}: {result['parameters']:,} weights, agrees {result['agreement']:.1%}")


def _print(model: Path, certificate: Certificate) -> None:
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    found = certificate.result
    console.print(
        f"{printable(str(model))}: {certificate.parameters:,} weights,"
        f" {certificate.bytes / 1e6:.1f} MB, asked about {found.cases} states\n"
    )
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for what, value in (
        ("a best action is the likeliest", f"{found.top1:.1%}"),
        ("a best action is among three", f"{found.top3:.1%}"),
        ("… without passages, the likeliest", f"{found.without_passages_top1:.1%}"),
        ("follows a changed passage", f"{found.flip_rate:.1%} of {found.flips}"),
        ("divergence from the passages", f"{found.kl:.3f} nats"),
        ("error of the best actions' share", f"{found.calibration:.3f}"),
        ("changed by moving hosts", f"{found.permutation_tv:.4f}"),
        ("changed by the lines' order", f"{found.order_tv:.4f}"),
        ("changed by hosts of no worth", f"{found.size_tv:.4f}"),
        *(
            (f"ms an answer, {name}", f"{times['p50']:.3f}, 99 % in {times['p99']:.3f}")
            for name, times in found.latency_ms.items()
        ),
        ("ms an answer, the paper's on a DGX-H100", f"{_PAPER:,.0f}"),
    ):
        table.add_row(what, value)
    console.print(table)
    verdict = "; ".join(certificate.failed)
    console.print(f"\nmay not guide: {verdict}" if verdict else "\nmay guide")
