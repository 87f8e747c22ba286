"""``sluice-train cage2 train`` and ``export``: a network by PPO, and its ONNX policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from agent.errors import OutputError
from training.cage2.codes import Red
from training.cage2.settings import Blueprint
from training.options import with_options
from training.settings import Ending, Settings

CHECKPOINT = "network.pt"

Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


@with_options(blueprint=Blueprint, settings=Settings, ending=Ending)
def train_command(
    folder: Annotated[Path, typer.Argument(help="the run's; a cut-off run goes on there")],
    blueprint: Blueprint,
    settings: Settings,
    ending: Ending,
    red: Annotated[
        list[Red], typer.Option(help="red agents, drawn for each episode; may be repeated")
    ] = [Red.B_LINE, Red.MEANDER],  # noqa: B006  # typer wants a list, and nothing changes it
    horizon: Annotated[int, typer.Option(min=1, help="steps of an episode")] = 100,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    compiled: Annotated[bool, typer.Option(help="compile the simulator's step")] = False,
    threads: Annotated[
        int, typer.Option(min=1, help="of the CPU; more of them pay for wide networks only")
    ] = 1,
    as_json: Json = False,
) -> None:
    """Train a defender by PPO; the folder gets settings, metrics and the network."""
    import torch

    from training.cage2.train import train

    torch.set_num_threads(threads)
    stderr = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("training", total=settings.steps)

        def show(row: dict[str, float]) -> None:
            words = f"return {row['return']:.1f}, {row['steps_per_second']:,.0f} steps/s"
            bar.update(task, completed=row["steps"], description=words)

        result = train(
            folder / CHECKPOINT, blueprint, settings, ending,
            red=red, horizon=horizon, device=device, compiled=compiled, show=show,
        )  # fmt: skip
    mean = "no episode ended" if result["return"] is None else f"{result['return']:.2f}"
    _print(result, as_json, f"{folder / CHECKPOINT}: mean return {mean}")


def export_command(
    checkpoint: Annotated[Path, typer.Argument(help="a network that train wrote")],
    policy: Annotated[Path, typer.Argument(metavar="POLICY.onnx", help="the file to write")],
    as_json: Json = False,
) -> None:
    """Write a trained network as the ONNX policy that evaluate plays."""
    from training.cage2.checkpoint import read
    from training.cage2.policy_onnx import policy_onnx

    network, blueprint, provenance = read(checkpoint)
    content = policy_onnx(network)
    try:
        policy.write_bytes(content)
    except OSError as error:
        raise OutputError(f"{policy}: cannot be written ({error.strerror})") from error
    result = {"policy": str(policy), "bytes": len(content), "provenance": provenance}
    result["blueprint"] = blueprint.model_dump(mode="json")
    _print(result, as_json, f"{policy}: {len(content):,} bytes")


def _print(result: dict[str, Any], as_json: bool, line: str) -> None:
    print(json.dumps(result) if as_json else line)
