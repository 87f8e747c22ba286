"""``sluice-train corpus``: captures to learn from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from agent.words import printable
from training.errors import CorpusError
from training.gateway.corpus import SPLITS, Capture, Corpus, Split, digest, manifest_path
from training.gateway.corpus_show import Count, Group, count, groups_of, straddling
from training.gateway.fetch import Fetched, fetch

_WIDTH = 120  # columns of a table that is not broken; a narrower terminal wraps its lines

app = typer.Typer(
    no_args_is_help=True, help="Captures to learn from: fetch, add, compose, imagine and show them."
)

Manifest = Annotated[Path, typer.Argument(help='a corpus\'s TOML file, or "public" for ours')]
AsJson = Annotated[bool, typer.Option("--json", help="the result as JSON")]
Names = Annotated[list[str] | None, typer.Option(help="these only; may be repeated")]


@app.callback()
def _root() -> None:
    """Captures to learn from."""


@app.command("fetch")
def fetch_command(
    manifest: Manifest,
    into: Annotated[Path, typer.Option(help="the corpus's folder")],
    split: Names = None,
    family: Names = None,
    retries: Annotated[int, typer.Option(min=0, help="of a failed download")] = 1,
    as_json: AsJson = False,
) -> None:
    """Download what is not there yet; exit status 1 if anything is still missing then."""
    if unknown := set(split or ()).difference(SPLITS):
        raise CorpusError(f"no split is called {min(unknown)}; there are {', '.join(SPLITS)}")
    wanted = [
        capture
        for capture in Corpus.load(manifest_path(manifest)).capture
        if (not split or capture.split in split) and (not family or capture.family in family)
    ]
    with _bar("fetching", len(wanted)) as advance:
        result = fetch(wanted, into, retries=retries, advance=advance)
    print(json.dumps(asdict(result)) if as_json else _fetched_text(result))
    raise typer.Exit(1 if result.failed else 0)


@app.command("add")
def add_command(
    manifest: Annotated[Path, typer.Argument(help="a corpus's TOML file; made if need be")],
    capture: Annotated[Path, typer.Argument(help="a pcap or pcapng file")],
    label: Annotated[Literal["benign", "malicious", "per flow"], typer.Option(help="of its flows")],
    source: Annotated[str, typer.Option(help="whose it is; captures of one source are alike")],
    family: Annotated[str, typer.Option(help="of its flows, unless labels say")] = "",
    labels: Annotated[Path | None, typer.Option(help="file with labels per flow")] = None,
    split: Annotated[Split, typer.Option(help="what it is for")] = "train",
    spares: Annotated[
        list[str] | None, typer.Option(help="services; flows to them stay unlabelled")
    ] = None,
    url: Annotated[str, typer.Option(help="where it can be fetched")] = "",
    licence: Annotated[str, typer.Option(help="as its source says")] = "",
    folder: Annotated[Path | None, typer.Option(help="the corpus's; else the manifest's")] = None,
    as_json: AsJson = False,
) -> None:
    """Enter a capture of your own into a corpus; the file stays where it is."""
    folder = folder or manifest.parent
    try:
        entry = Capture.model_validate(
            {
                "path": _below(folder, capture),
                "sha256": digest(capture),
                "url": url,
                "label": label,
                "family": family,
                "labels": None if labels is None else _below(folder, labels),
                "spares": tuple(spares or ()),
                "source": source,
                "split": split,
                "licence": licence,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"][:1])
        raise CorpusError(
            f"{capture}: {where}{first['msg'].removeprefix('Value error, ')}"
        ) from None
    found = count(entry, folder)
    if found.flows == found.unlabelled:
        raise CorpusError(f"{capture}: none of its {found.flows} flows has a label; check --labels")
    old = Corpus.load(manifest) if manifest.exists() else Corpus()
    _replace(manifest, old.with_captures([entry]))
    if as_json:
        print(json.dumps({"path": entry.path, "sha256": entry.sha256, **asdict(found)}))
    else:
        print(f"{printable(entry.path)}: {_flows_text(found)}")


@app.command("compose")
def compose_command(
    manifest: Manifest,
    out: Annotated[Path, typer.Option(help="folder to write to, with a corpus.toml")],
    folder: Annotated[Path | None, typer.Option(help="the corpus's; else the manifest's")] = None,
    split: Annotated[Split, typer.Option(help="whose captures, and what for")] = "train",
    count: Annotated[int, typer.Option(min=1, help="gateways")] = 100,
    minutes: Annotated[float, typer.Option(min=1, help="that each is watched")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="of the first; the others follow")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="that share the work")] = 2,
    as_json: AsJson = False,
) -> None:
    """Compose gateways from parts of a corpus's captures, mapped onto one LAN and one clock."""
    from training.gateway.compose.corpus import compose_corpus

    corpus = Corpus.load(manifest_path(manifest))
    with _bar("composing", count) as advance:
        made = compose_corpus(
            corpus,
            folder or manifest_path(manifest).parent,
            split,
            out,
            count,
            minutes,
            seed,
            lambda done: advance(),
            processes,
        )
    _written(out, made, as_json)


@app.command("synthesise")
def synthesise_command(
    out: Annotated[Path, typer.Option(help="folder to write to, with a corpus.toml")],
    count: Annotated[int, typer.Option(min=1, help="gateways")] = 100,
    minutes: Annotated[float, typer.Option(min=1, help="that each is watched")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="of all of them")] = 1,
    as_json: AsJson = False,
) -> None:
    """Imagine gateways: no capture is needed, and nobody's traffic is in them."""
    from training.gateway.synth.corpus import write_corpus

    with _bar("imagining", count) as advance:
        made = write_corpus(out, count, minutes, seed, lambda done: advance())
    _written(out, made, as_json)


def _written(out: Path, made: Corpus, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"folder": str(out), "captures": len(made.capture)}))
    else:
        print(f"{printable(str(out))}: {len(made.capture)} captures, and corpus.toml")


@app.command("show")
def show_command(
    manifest: Manifest,
    folder: Annotated[Path | None, typer.Option(help="the corpus's; else the manifest's")] = None,
    as_json: AsJson = False,
) -> None:
    """What a corpus holds, by split and family, and what of it is missing."""
    path = manifest_path(manifest)
    corpus = Corpus.load(path)
    with _bar("counting", len(corpus.capture)) as advance:
        groups = groups_of(corpus, folder or path.parent, advance)
    both = straddling(corpus)
    if as_json:
        print(json.dumps({"groups": [_plain(group) for group in groups], "straddling": both}))
        return
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)
    console.print(_table(groups))
    missing = sum(len(group.missing) for group in groups)
    if missing:
        console.print(f"\n{missing} files are not there; --json names them")
    for source in both:
        console.print(
            f"\nwarning: {printable(source)} is in train and held out;"
            " captures of one source resemble each other"
        )


def _below(folder: Path, file: Path) -> str:
    """A file's path as a manifest has it."""
    try:
        return file.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise CorpusError(f"{file}: not below {folder}; say the corpus's --folder") from None


def _replace(manifest: Path, corpus: Corpus) -> None:
    """Write a manifest that is whole at every moment."""
    beside = manifest.with_name(manifest.name + ".new")
    corpus.save(beside)
    beside.replace(manifest)


@contextmanager
def _bar(task: str, total: int) -> Iterator[Callable[[], None]]:
    stderr = Console(stderr=True)
    with Progress(console=stderr, disable=not stderr.is_terminal, transient=True) as bar:
        line = bar.add_task(task, total=total)
        yield lambda: bar.advance(line)


def _fetched_text(result: Fetched) -> str:
    lines = [f"{printable(path)}: {why}" for path, why in result.failed.items()]
    found = f"{len(result.fetched)} fetched, {len(result.present)} there already"
    return "\n".join([*lines, f"{found}, {len(result.failed)} missing"])


def _flows_text(found: Count) -> str:
    return (
        f"{found.flows:,} flows, {found.malicious:,} malicious, {found.benign:,} benign,"
        f" {found.unlabelled:,} unlabelled"
    )


def _plain(group: Group) -> dict[str, object]:
    fields = {"split": group.split, "label": group.label, "family": group.family}
    sources = {"captures": group.captures, "sources": sorted(group.sources)}
    return {**fields, **sources, **asdict(group.count), "missing": group.missing}


def _table(groups: list[Group]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("split", "family"):
        table.add_column(name, no_wrap=True)
    for name in ("captures", "sources", "missing", *Count.__slots__):
        table.add_column(name, justify="right")
    for group in groups:
        numbers = (group.captures, len(group.sources), len(group.missing))
        table.add_row(
            group.split,
            printable(group.family or group.label),
            *(f"{number:,}" for number in numbers),
            *(f"{number:,.0f}" for number in asdict(group.count).values()),
        )
    return table
