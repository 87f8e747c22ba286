"""``sluice-train gateway finetune``: a policy learns from its operation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from training.gateway.corpus import manifest_path
from training.gateway.finetune_settings import Finetuning
from training.gateway.rewards import SHIPPED, Rewards
from training.gateway.train_command import Cache, Corpora, Folders, Processes, Reward, folders_of
from training.options import with_options
from training.progress import training_bar


@with_options(settings=Finetuning)
def finetune_command(
    policy: Annotated[Path, typer.Argument(help="a checkpoint (.pt)")],
    journal: Annotated[Path, typer.Option(help="an export of the agent's journal")],
    corpora: Corpora,
    out: Annotated[Path, typer.Option(help="folder that gets the network")],
    settings: Finetuning,
    folders: Folders = None,
    reward: Reward = SHIPPED,
    cache: Cache = Path("out/recordings"),
    processes: Processes = 2,
    threads: Annotated[int, typer.Option(min=1, help="of the CPU")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """Teach a policy what analysts said of its decisions, without its forgetting the corpora.

    No network is written if it got worse on the corpora's captures for validation, or no better
    on flows of the journal that it did not learn from.
    """
    import torch

    from training.gateway.finetune import finetune
    from training.gateway.train import CHECKPOINT

    torch.set_num_threads(threads)
    manifests = [manifest_path(name) for name in corpora]
    with training_bar("fine-tuning", settings.updates) as show:
        result = finetune(
            policy, journal, out, settings, corpora=manifests,
            folders=folders_of(manifests, folders), rewards=Rewards.load(reward),
            cache=cache, processes=processes, show=show,
        )  # fmt: skip
    if as_json:
        print(json.dumps(result))
    if result["refused"]:
        typer.echo(f"refused: {result['refused']}", err=True)
        raise typer.Exit(1)
    if not as_json:
        print(f"{out / CHECKPOINT}: {_line(result)}")


def _line(result: dict[str, Any]) -> str:
    before, after, journal = result["before"], result["after"], result["journal"]
    return (
        f"{journal['confirmed']:,} decisions confirmed, {journal['overruled']:,} overruled;"
        f" points a decision {before['journal']:.2f} → {after['journal']:.2f};"
        f" of what validation has at stake {before['validation']:.1%} → {after['validation']:.1%};"
        " legitimate flows stopped"
        f" {before['legitimate_stopped']:.2%} → {after['legitimate_stopped']:.2%}"
    )
