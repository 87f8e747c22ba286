"""The ``sluice-train`` command."""

from __future__ import annotations

import typer

from agent.cli import complain, run
from training.cage2.cli import app as cage2
from training.gateway.cli import app as gateway
from training.gateway.corpus_cli import app as corpus
from training.teacher.cli import app as teacher

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

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


def main() -> None:
    """Run ``sluice-train``; what is not installed is named with the extra that has it."""
    try:
        run(app)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        extra = _EXTRAS[error.name]
        line = f"error: {error.name} is not installed; pip install 'sluicegate[{extra}]'"
        complain(line, "red")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
