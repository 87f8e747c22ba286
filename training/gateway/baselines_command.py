"""``sluice-train gateway baselines``: what a learned policy has to beat."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from agent.words import printable
from training.errors import CorpusError
from training.gateway.corpus import SPLITS, manifest_path
from training.gateway.rewards import SHIPPED, Rewards
from training.gateway.train_command import (
    Cache,
    Corpora,
    Folders,
    Processes,
    Reward,
    folders_of,
)

if TYPE_CHECKING:
    from agent.engine import Judge
    from training.gateway.baselines.compare import Show
    from training.gateway.baselines.tables import Results, Table

FOUND: Final = "baselines.json"
PAGE: Final = "baselines.md"
_WIDTH: Final = 120


def baselines_command(
    corpora: Corpora,
    folders: Folders = None,
    tests: Annotated[
        list[Path] | None,
        typer.Option("--test", help="a corpus to score on; may be repeated; default: the corpora"),
    ] = None,
    test_folders: Annotated[
        list[Path] | None,
        typer.Option("--test-folder", help="of the tests, in their order; else their manifests'"),
    ] = None,
    split: Annotated[str, typer.Option(help="whose captures are scored on")] = "held-out",
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE.pt",
            help="a checkpoint to score, too; of one name several: a policy over its seeds",
        ),
    ] = None,
    packets: Annotated[
        int, typer.Option(min=1, help="of a flow, up to which classifiers are fitted to it")
    ] = 8,
    seeds: Annotated[int, typer.Option(min=1, help="that classifiers are fitted with")] = 3,
    harm: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="share of validation's legitimate flows that thresholds may stop"
        ),
    ] = None,
    reward: Reward = SHIPPED,
    cache: Cache = Path("out/recordings"),
    processes: Processes = 2,
    out: Annotated[Path | None, typer.Option(help=f"folder to write {FOUND} and {PAGE} to")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """Score simple defenders, and checkpoints beside them, for one reward and in one replay.

    Classifiers are fitted on captures for training; all thresholds are tuned on those for
    validation.
    """
    import torch

    from training.gateway.baselines.compare import Lab, baselines, compare
    from training.gateway.baselines.tables import as_json as in_json

    if split not in SPLITS:
        raise CorpusError(f"no split is called {split}; there are {', '.join(SPLITS)}")
    torch.set_num_threads(1)
    lab, rewards, learned = Lab(cache, processes), Rewards.load(reward), _placed(corpora, folders)
    # What is wrong with these shall not come out after an hour of fitting.
    checkpoints = _checkpoints(policy or [])
    scored = lab.places(_placed(tests, test_folders) if tests else learned, split)
    with _status() as show:
        made = baselines(
            lab, learned, rewards, packets=packets, seeds=seeds, most_harm=harm, show=show
        )
        found = {
            str(place.manifest): compare(place, {**made, **checkpoints}, rewards, show=show)
            for place in scored
        }
    about = {"split": split, "packets": packets, "seeds": seeds, "harm": harm}
    result = {**about, "corpora": {name: in_json(each) for name, each in found.items()}}
    if out is not None:
        _write(out, result, found)
    if as_json:
        print(json.dumps(result))
    else:
        _print(found)


def _placed(corpora: list[Path], folders: list[Path] | None) -> list[tuple[Path, Path]]:
    """Manifests with their folders."""
    manifests = [manifest_path(name) for name in corpora]
    return list(zip(manifests, folders_of(manifests, folders), strict=True))


def _checkpoints(given: list[str]) -> dict[str, list[Judge]]:
    """Policies by the names that they were given, of each what was trained under several seeds.

    Raises:
        PolicyError: a checkpoint cannot be read.
        typer.BadParameter: one has no name, or a baseline's.
    """
    from training.gateway.baselines.compare import BASELINES
    from training.gateway.policy import Chooser, read

    found: dict[str, list[Judge]] = {}
    for text in given:
        name, named, path = text.partition("=")
        if not (name and named):
            raise typer.BadParameter(f"{text}: write NAME=FILE.pt", param_hint="--policy")
        if name in BASELINES:
            raise typer.BadParameter(f"{name} is a baseline's name", param_hint="--policy")
        found.setdefault(name, []).append(Chooser(read(Path(path))[0]))
    return found


@contextmanager
def _status() -> Iterator[Show]:
    """What is being done, on standard error if that is a terminal."""
    stderr = Console(stderr=True)
    with stderr.status("") as status:
        yield lambda text: status.update(escape(text))


def _write(folder: Path, result: dict[str, Any], found: Mapping[str, Results]) -> None:
    from training.gateway.baselines.tables import tables
    from training.report import table

    folder.mkdir(parents=True, exist_ok=True)
    (folder / FOUND).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    parts = [
        part
        for name, results in found.items()
        for part in (f"## {printable(name)}", *(table(*each) for each in tables(results)))
    ]
    (folder / PAGE).write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _print(found: Mapping[str, Results]) -> None:
    from training.gateway.baselines.tables import tables

    console = Console(width=max(_WIDTH, Console().width), highlight=False)
    for name, results in found.items():
        console.print(escape(printable(name)), style="bold")
        for each in tables(results):
            console.print(_rich(each))
            console.print()


def _rich(table: Table) -> RichTable:
    made = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for k, title in enumerate(table.header):
        made.add_column(escape(title), justify="right" if k else "left", no_wrap=not k)
    for row in table.rows:
        made.add_row(*map(escape, row))
    return made
