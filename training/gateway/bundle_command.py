"""``sluice-train gateway bundle``: a checkpoint as the bundle that a box loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress

from training.errors import CorpusError
from training.gateway.corpus import Corpus, manifest_path
from training.gateway.train_command import Cache, Processes

_SPLIT: Final = "held-out"


def bundle_command(
    checkpoint: Annotated[Path, typer.Argument(help="a network that train wrote")],
    out: Annotated[Path, typer.Argument(metavar="OUT.sluice", help="the bundle to write")],
    corpus: Annotated[
        Path, typer.Option(help='whose held-out captures it is measured on, or "public" for ours')
    ],
    folder: Annotated[Path | None, typer.Option(help="the corpus's; else the manifest's")] = None,
    name: Annotated[str, typer.Option(help="of the policy")] = "gateway",
    cache: Cache = Path("out/recordings"),
    processes: Processes = 2,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """Measure a policy on held-out captures, and write it with a model card and its public key."""
    from training.gateway.bundle import make_bundle
    from training.gateway.evaluate import evaluate
    from training.gateway.library import recordings_of
    from training.gateway.policy import Chooser, read

    network, _, _ = read(checkpoint)
    manifest = manifest_path(corpus)
    place, captures = folder or manifest.parent, Corpus.load(manifest).of(_SPLIT)
    if not captures:
        raise CorpusError(f"{manifest}: no capture is held out to measure the policy on")
    stderr = Console(stderr=True)
    with Progress(console=stderr, disable=not stderr.is_terminal, transient=True) as bar:
        line = bar.add_task("replaying", total=len(captures))
        found = evaluate(captures, place, Chooser(network), advance=lambda: bar.advance(line))
    recorded = recordings_of(captures, place, cache, processes=processes)
    made = make_bundle(
        checkpoint, out, name=name, recordings=[each.recording for each in recorded], found=found,
        evaluated=f"{len(captures)} held-out captures of {manifest.stem}",
    )  # fmt: skip
    result = {
        "bundle": str(out),
        "sha256": made.digest,
        "bytes": out.stat().st_size,
        "outcomes": found.as_json(),
    }
    print(json.dumps(result) if as_json else f"{out}: {result['bytes']:,} bytes, {made.digest}")
