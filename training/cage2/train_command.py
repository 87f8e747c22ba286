"""``sluice-train cage2 train``: a network by PPO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from training.cage2.codes import Red
from training.cage2.settings import Blueprint, Plan
from training.options import with_options
from training.progress import training_bar
from training.settings import Ending, Guidance, Settings

CHECKPOINT = "network.pt"

Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


@with_options(blueprint=Blueprint, settings=Settings, ending=Ending, guidance=Guidance)
def train_command(
    folder: Annotated[Path, typer.Argument(help="the run's; a cut-off run goes on there")],
    blueprint: Blueprint,
    settings: Settings,
    ending: Ending,
    guidance: Guidance,
    red: Annotated[
        list[Red], typer.Option(help="red agents, drawn for each episode; may be repeated")
    ] = [Red.B_LINE, Red.MEANDER],  # noqa: B006  # typer wants a list, and nothing changes it
    horizon: Annotated[int, typer.Option(min=1, help="steps of an episode")] = 100,
    start: Annotated[
        str | None, typer.Option(help="a checkpoint whose weights training begins with")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="guides the run: playbook, passages, lm, encoder, random, or a checkpoint's or"
            " model's file"
        ),
    ] = None,
    unqualified: Annotated[
        bool, typer.Option(help="take a language model that failed its examination, or had none")
    ] = False,
    wrong: Annotated[
        float, typer.Option(min=0, max=1, help="share of states in which the teacher is to err")
    ] = 0.0,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    compiled: Annotated[bool, typer.Option(help="compile the simulator's step")] = False,
    threads: Annotated[
        int, typer.Option(min=1, help="of the CPU; more of them pay for wide networks only")
    ] = 1,
    as_json: Json = False,
) -> None:
    """Train a defender by PPO, guided by a teacher if one is named.

    The folder gets settings, metrics, plots and the network.
    """
    import torch

    from training.cage2.train import train

    torch.set_num_threads(threads)
    plan = Plan(
        network=blueprint, ppo=settings, ending=ending, guidance=guidance,
        red=tuple(red), horizon=horizon, start=start, teacher=teacher, unqualified=unqualified,
        wrong=wrong,
    )  # fmt: skip
    with training_bar("training", settings.steps) as show:
        result = train(folder / CHECKPOINT, plan, device=device, compiled=compiled, show=show)
    mean = "no episode ended" if result["return"] is None else f"{result['return']:.2f}"
    _print(result, as_json, f"{folder / CHECKPOINT}: mean return {mean}")


def _print(result: dict[str, Any], as_json: bool, line: str) -> None:
    print(json.dumps(result) if as_json else line)
