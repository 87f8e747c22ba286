"""The ``sluice-export`` command."""

from __future__ import annotations

import typer

from agent.cli import complain
from agent.errors import SluiceError
from export.profiles_command import profiles

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

app.command()(profiles)


@app.callback()
def _root() -> None:
    """Bring a trained policy to a box."""


def main() -> None:
    """Run the command; named errors become one line and exit code 1."""
    try:
        app()
    except SluiceError as error:
        complain(f"error: {error}", "red")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        complain("interrupted", "red")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
