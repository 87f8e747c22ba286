"""``sluice-train gateway``: commands about the gateway's policy."""

from __future__ import annotations

import typer

from training.gateway.baselines_command import baselines_command
from training.gateway.evaluate_command import evaluate_command
from training.gateway.finetune_command import finetune_command
from training.gateway.page_command import page_command
from training.gateway.study_command import study_command
from training.gateway.train_command import train_command

app = typer.Typer(
    no_args_is_help=True, help="The gateway: train policies on recorded traffic, and score them."
)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("finetune")(finetune_command)
app.command("baselines")(baselines_command)
app.command("study")(study_command)
app.command("page")(page_command)


@app.callback()
def _root() -> None:
    """The gateway."""
