"""``sluice-train gateway``: commands about the gateway's policy."""

from __future__ import annotations

import typer

from training.gateway.evaluate_command import evaluate_command
from training.gateway.train_command import train_command

app = typer.Typer(
    no_args_is_help=True, help="The gateway: train policies on recorded traffic, and score them."
)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)


@app.callback()
def _root() -> None:
    """The gateway."""
