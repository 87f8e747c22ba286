"""``sluice-train gateway evaluate``: what a policy would have done on a corpus's captures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from agent.words import printable
from training.errors import CorpusError
from training.gateway.alerts_table import alerts_json, print_alerts
from training.gateway.corpus import SPLITS, Corpus, manifest_path

if TYPE_CHECKING:
    from agent.engine import Judge
    from training.gateway.evaluate import Evaluation, Outcome

_WIDTH: Final = 100


def evaluate_command(
    policy: Annotated[
        str,
        typer.Argument(help="a checkpoint (.pt), a bundle (.sluice), or default, playbook, allow"),
    ],
    corpus: Annotated[Path, typer.Option(help='a corpus\'s TOML file, or "public" for ours')],
    folder: Annotated[Path | None, typer.Option(help="the corpus's; else the manifest's")] = None,
    split: Annotated[str, typer.Option(help="whose captures are replayed, or all")] = "held-out",
    key: Annotated[Path | None, typer.Option(help="public key that signed the bundle")] = None,
    with_alerts: Annotated[
        bool, typer.Option("--with-alerts", help="and what follows alerts on malicious flows")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """Replay captures through the agent with a policy, and tell by family what became of flows."""
    from training.gateway.aftermath import aftermath
    from training.gateway.evaluate import evaluate

    if split not in (*SPLITS, "all"):
        raise CorpusError(f"no split is called {split}; there are {', '.join(SPLITS)}, and all")
    manifest = manifest_path(corpus)
    captures = [c for c in Corpus.load(manifest).capture if split in (c.split, "all")]
    if not captures:
        raise CorpusError(f"{manifest}: no capture is for {split}; say another --split")
    stderr = Console(stderr=True)
    with Progress(console=stderr, disable=not stderr.is_terminal, transient=True) as bar:
        line = bar.add_task("replaying", total=len(captures) * (1 + with_alerts))
        given = captures, folder or manifest.parent, _policy(policy, key)
        found = evaluate(*given, advance=lambda: bar.advance(line))
        told = aftermath(*given, advance=lambda: bar.advance(line)) if with_alerts else None
    if as_json:
        alerts = {} if told is None else {"alerts": alerts_json(*told)}
        print(json.dumps(found.as_json() | alerts))
        return
    console = Console(width=max(_WIDTH, Console().width), highlight=False)
    console.print(_table(found))
    if told is not None:
        print_alerts(console, *told)


def _policy(name: str, key: Path | None) -> Judge:
    """The policy of a name or file.

    Raises:
        PolicyError: a checkpoint cannot be read.
        BundleError: a bundle must not be loaded.
    """
    from agent.cli import load_policy
    from training.gateway.playbook_policy import PlaybookPolicy
    from training.gateway.policy import Chooser, read
    from training.gateway.record import AllowAll

    if name == "allow":
        return AllowAll()
    if name == "playbook":
        return PlaybookPolicy()
    if name.endswith(".pt"):
        return Chooser(read(Path(name))[0])
    return load_policy(None if name == "default" else Path(name), key)


def _table(found: Evaluation) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("family", no_wrap=True)
    for name in ("flows", "stopped", "throttled", "after packets", "bytes passed"):
        table.add_column(name, justify="right")
    for title, whole, families in (
        ("malicious", found.all_malicious, found.malicious),
        ("legitimate", found.all_benign, found.benign),
    ):
        _row(table, title, whole, "bold")
        _rows(table, families)
    return table


def _rows(table: Table, families: Mapping[str, Outcome]) -> None:
    for name, each in families.items():
        _row(table, f"  {printable(name)}", each)


def _row(table: Table, name: str, each: Outcome, style: str = "") -> None:
    table.add_row(
        name, f"{each.flows:,}", f"{each.stopped:.1%}", f"{each.throttled:.1%}",
        "–" if math.isnan(each.packets) else f"{each.packets:.0f}", f"{each.bytes_passed:.1%}",
        style=style,
    )  # fmt: skip
