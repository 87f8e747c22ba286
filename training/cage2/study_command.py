"""``sluice-train cage2 study``: runs a study over seeds and writes down what it found."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

_RESULTS: Final = Path("docs/results.md")
_FIGURES: Final = Path("docs/figures")

Name = Annotated[str | None, typer.Argument(help="of the study; the list if left out")]
Seeds = Annotated[int, typer.Option(min=1, help="every arm is trained under 1 to so many")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="runs at a time, of one thread each; default: all cores")
]
Folder = Annotated[Path, typer.Option(help="of all runs; what is done there is not done again")]
Results = Annotated[
    Path | None, typer.Option(help=f"page that gets the study's section; default: {_RESULTS}")
]
Figures = Annotated[Path | None, typer.Option(help=f"folder of figures; default: {_FIGURES}")]
Episodes = Annotated[
    int | None,
    typer.Option(min=1, help="of every run, for a try: nothing is published unless you say where"),
]
Listed = Annotated[bool, typer.Option("--list", help="the studies and their questions")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


def study_command(
    name: Name = None,
    seeds: Seeds = 5,
    workers: Workers = None,
    folder: Folder = Path("out/studies"),
    results: Results = None,
    figures: Figures = None,
    episodes: Episodes = None,
    listed: Listed = False,
    as_json: Json = False,
) -> None:
    """Train a study's arms under several seeds, compare them, and publish table and figure."""
    if name is None or listed:
        _print_list(as_json)
        return
    from training.cage2.studies import study_named
    from training.cage2.study import run_study
    from training.cage2.study_page import arms_table, publish
    from training.cage2.study_page import as_json as to_json

    study = study_named(name)
    command = f"sluice-train cage2 study {shlex.quote(name)} --seeds {seeds}"
    if episodes is None:
        results, figures = results or _RESULTS, figures or _FIGURES
    else:
        study, command = study.shortened(episodes), f"{command} --episodes {episodes}"
    # Being ended like being interrupted: the runs are told, and save.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stderr = Console(stderr=True)
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        findings = run_study(
            study, folder, range(1, seeds + 1), workers or os.cpu_count() or 1,
            lambda done, of: bar.update(task, completed=done, total=of),
        )  # fmt: skip
    written = publish(findings, command, results, figures)
    if as_json:
        print(json.dumps(to_json(findings) | {"written": [str(path) for path in written]}))
        return
    print(arms_table(findings))
    for path in written:
        print(f"written: {path}")


def _print_list(as_json: bool) -> None:
    from training.cage2.studies import STUDIES

    if as_json:
        print(json.dumps({study.name: study.question for study in STUDIES.values()}))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("study", no_wrap=True)
    table.add_column("runs a seed", justify="right")
    table.add_column("question")
    for study in STUDIES.values():
        table.add_row(study.name, str(len(study.arms)), study.question)
    Console(markup=False, highlight=False).print(table)
