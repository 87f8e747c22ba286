"""``sluice-train cage2 distill``: trained networks into one small student."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cage2.codes import Red
from training.cage2.settings import Blueprint
from training.cage2.train_command import CHECKPOINT
from training.options import with_options
from training.progress import training_bar
from training.settings import Distilling

if TYPE_CHECKING:
    from training.cage2.distill import Tutor


@with_options(blueprint=Blueprint, distilling=Distilling)
def distill_command(
    folder: Annotated[Path, typer.Argument(help="the run's; a cut-off run goes on there")],
    teacher: Annotated[
        list[str],
        typer.Option(
            metavar="CHECKPOINT[:RED]",
            help="a network that train wrote, and the only red agent that it teaches about"
            " (left out: B_line or Meander, drawn for each episode); may be repeated",
        ),
    ],
    blueprint: Blueprint,
    distilling: Distilling,
    horizon: Annotated[int, typer.Option(min=1, help="steps of an episode")] = 100,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    compiled: Annotated[bool, typer.Option(help="compile the simulator's step")] = False,
    threads: Annotated[
        int, typer.Option(min=1, help="of the CPU; more of them pay for wide networks only")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Teach a student what trained defenders would do where the student's own play leads.

    The folder gets settings, metrics and the student's network.
    """
    import torch

    from training.cage2.distill import Course, distill

    torch.set_num_threads(threads)
    course = Course(
        network=blueprint,
        distilling=distilling,
        teachers=tuple(_tutor(text) for text in teacher),
        horizon=horizon,
    )
    with training_bar("distilling", distilling.steps) as show:
        result = distill(folder / CHECKPOINT, course, device=device, compiled=compiled, show=show)
    mean = "no episode ended" if result["return"] is None else f"{result['return']:.2f}"
    print(json.dumps(result) if as_json else f"{folder / CHECKPOINT}: mean return {mean}")


def _tutor(text: str) -> Tutor:
    from training.cage2.distill import Tutor

    name, colon, red = text.rpartition(":")
    if not colon:
        return Tutor(checkpoint=Path(text))
    if red not in set(Red):
        raise typer.BadParameter(
            f"no red agent {red!r}: there are {', '.join(Red)}", param_hint="--teacher"
        )
    return Tutor(checkpoint=Path(name), red=(Red(red),))
