"""The ``sluice-train`` command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from agent.errors import SluiceError
from training.cage2.cli import app as cage2
from training.gateway.cli import app as gateway
from training.gateway.corpus_cli import app as corpus
from training.teacher.cli import app as teacher

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_stderr = Console(stderr=True)

_SAMPLES = Path(__file__).parent.parent / "tests" / "captures"
_EXTRAS = {
    **dict.fromkeys(("torch", "onnx", "matplotlib", "pooch"), "train"),
    **dict.fromkeys(("tokenizers", "gguf"), "lm"),
}
"""What may not be installed, and the extra that has it."""

app.add_typer(cage2, name="cage2")
app.add_typer(corpus, name="corpus")
app.add_typer(gateway, name="gateway")
app.add_typer(teacher, name="teacher")


@app.callback()
def _root() -> None:
    """Train gateway policies in the lab."""


@app.command()
def playbook(
    captures: Annotated[
        list[Path] | None,
        typer.Argument(help="captures or folders of them; the project's samples if left out"),
    ] = None,
    out: Annotated[Path, typer.Option(help="the bundle to write")] = Path("default.sluice"),
    seed: Annotated[int, typer.Option(help="of the sampling, the weights and the order")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="passes over the observations")] = 60,
    hidden: Annotated[str, typer.Option(help="hidden widths, comma-separated")] = "32,32",
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Make the policy that imitates the gateway playbook, as a signed bundle."""
    from training.playbook_bundle import make_playbook_bundle

    with Progress(console=_stderr, disable=not _stderr.is_terminal) as progress:
        result = make_playbook_bundle(
            captures or [_SAMPLES],
            out,
            seed=seed,
            epochs=epochs,
            hidden=[int(width) for width in hidden.split(",")],
            progress=progress,
        )
    if as_json:
        print(json.dumps(result))
    else:
        held_out = result["held_out"]
        print(f"{out}: agrees with the playbook on {held_out['agreement']:.2%} of held-out points")


def main() -> None:
    """Run the command; named errors become one line and exit code 1."""
    try:
        app()
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        extra = _EXTRAS[error.name]
        _complain(f"error: {error.name} is not installed; pip install 'sluicegate[{extra}]'")
        raise SystemExit(1) from None
    except SluiceError as error:
        _complain(f"error: {error}")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        _complain("interrupted")
        raise SystemExit(130) from None


def _complain(line: str) -> None:
    _stderr.print(line, style="red", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
