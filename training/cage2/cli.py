"""``sluice-train cage2``: commands about the CAGE-2 playground."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from training.cage2.codes import Red
from training.cage2.distill_command import distill_command
from training.cage2.evaluate_command import evaluate_command
from training.cage2.export_command import export_command
from training.cage2.scenario import Variant
from training.cage2.study_command import study_command
from training.cage2.train_command import train_command

app = typer.Typer(
    no_args_is_help=True,
    help="CAGE Challenge 2: train defenders, evaluate them, replay recorded episodes.",
)
app.command("train")(train_command)
app.command("distill")(distill_command)
app.command("study")(study_command)
app.command("export")(export_command)
app.command("evaluate")(evaluate_command)
_stderr = Console(stderr=True)


@app.command()
def verify(
    traces: Annotated[list[Path], typer.Argument(help="recorded episodes, .npz")],
    variant: Annotated[
        Variant | None, typer.Option(help="whose rules hold, if the names do not begin with it")
    ] = None,
    red: Annotated[Red | None, typer.Option(help="red agent, if the names do not hold it")] = None,
    scenario: Annotated[str, typer.Option(help="network: a name or a file")] = "official",
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Replay episodes of the official environment and compare every step; exit 1 on a mismatch."""
    from training.cage2.parity import verify_all

    shown = track(traces, "replaying", console=_stderr, disable=not _stderr.is_terminal)
    result = verify_all(shown, scenario, device, variant, red)
    if as_json:
        print(json.dumps(result))
    else:
        _print(result)
    if any(result["mismatches"].values()):
        raise typer.Exit(1)


def _print(result: dict[str, Any]) -> None:
    for trace in result["traces"]:
        line = f"{trace['path']}: {trace['steps']} steps compared, "
        print(line + _counts(trace["mismatches"]))
        if trace["first"]:
            print(f"  first: {trace['first']}")
    line = f"{result['files']} files, {result['episodes']} episodes, {result['steps']} steps: "
    print(line + _counts(result["mismatches"]))


def _counts(mismatches: dict[str, int]) -> str:
    wrong = [f"{count} of {kind.replace('_', ' ')}" for kind, count in mismatches.items() if count]
    return f"mismatches: {', '.join(wrong)}" if wrong else "no mismatch"
