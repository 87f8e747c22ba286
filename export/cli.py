"""The ``sluice-export`` command."""

from __future__ import annotations

import typer

from agent.cli import run
from export.cage2_command import cage2
from export.gateway_command import gateway
from export.keygen_command import keygen
from export.profiles_command import profiles

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

app.command()(cage2)
app.command()(gateway)
app.command()(keygen)
app.command()(profiles)


@app.callback()
def _root() -> None:
    """Bring a trained policy to a box."""


def main() -> None:
    """Run ``sluice-export``."""
    run(app)


if __name__ == "__main__":
    main()
