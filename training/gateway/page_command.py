"""``sluice-train gateway page``: what there is to see of a finished run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from training.errors import CorpusError
from training.gateway.corpus import SPLITS, manifest_path
from training.gateway.train_command import Cache, Processes, folders_of


def page_command(
    run: Annotated[Path, typer.Argument(help="folder of a run that has ended")],
    corpora: Annotated[
        list[Path] | None,
        typer.Option(
            "--corpus",
            help="a corpus's TOML file, or public for ours; may be repeated; else the run's own",
        ),
    ] = None,
    folders: Annotated[
        list[Path] | None,
        typer.Option("--folder", help="of the corpora, in their order; else their manifests'"),
    ] = None,
    split: Annotated[str, typer.Option(help="whose captures are replayed, or all")] = "held-out",
    cache: Cache = Path("out/recordings"),
    processes: Processes = 2,
    as_json: Annotated[bool, typer.Option("--json", help="the page as JSON")] = False,
) -> None:
    """Replay captures with a run's network, and write a page about both to the run's folder.

    page.html is one file to be read, kept and sent; page.json holds the same as data.
    """
    import torch

    from training.gateway.page import PAGE, write_page

    torch.set_num_threads(1)
    if split not in (*SPLITS, "all"):
        raise CorpusError(f"no split is called {split}; there are {', '.join(SPLITS)}, and all")
    if folders and not corpora:
        raise typer.BadParameter("say --corpus as well", param_hint="--folder")
    manifests = [manifest_path(name) for name in corpora or []]
    stderr = Console(stderr=True)
    with Progress(console=stderr, disable=not stderr.is_terminal, transient=True) as bar:
        line = bar.add_task("replaying", total=None)
        data = write_page(
            run, manifests or None, folders_of(manifests, folders) or None, split=split,
            cache=cache, processes=processes,
            progress=lambda done, size: bar.update(line, completed=done, total=size),
        )  # fmt: skip
    if as_json:
        print(json.dumps(data))
    else:
        print(f"page: {run / PAGE}")
