"""``sluice-train gateway train``: a policy by guided PPO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from training.gateway.corpus import manifest_path
from training.gateway.leave_out import families_named
from training.gateway.rewards import SHIPPED, Rewards
from training.gateway.settings import Blueprint, Limits, Plan, PPOSettings, Rehearsal, World
from training.gateway.surroundings import Surroundings
from training.options import with_options
from training.progress import training_bar
from training.settings import Ending, Guidance

Corpora = Annotated[
    list[Path],
    typer.Option("--corpus", help='a corpus\'s TOML file, or "public" for ours; may be repeated'),
]
Folders = Annotated[
    list[Path] | None,
    typer.Option("--folder", help="of the corpora, in their order; else their manifests'"),
]
Reward = Annotated[Path, typer.Option(help="the table of rewards")]
Guide = Annotated[
    str,
    typer.Option(
        "--teacher",
        help="guides: playbook, passages, lm, encoder, random, or a model's file",
    ),
]
Unqualified = Annotated[
    bool, typer.Option(help="take a language model that failed its examination, or had none")
]
Without = Annotated[
    list[str] | None, typer.Option(help="a family whose flows count as unknown; may be repeated")
]
Cache = Annotated[Path, typer.Option(help="folder that keeps recordings")]
Processes = Annotated[int, typer.Option(min=1, help="that make recordings")]


@with_options(
    blueprint=Blueprint,
    settings=PPOSettings,
    ending=Ending,
    world=World,
    surroundings=Surroundings,
    rehearsal=Rehearsal,
    limits=Limits,
    guidance=Guidance,
)
def train_command(
    folder: Annotated[Path, typer.Argument(help="the run's; a cut-off run goes on there")],
    corpora: Corpora,
    blueprint: Blueprint,
    settings: PPOSettings,
    ending: Ending,
    world: World,
    surroundings: Surroundings,
    rehearsal: Rehearsal,
    limits: Limits,
    guidance: Guidance,
    folders: Folders = None,
    reward: Reward = SHIPPED,
    teacher: Guide = "playbook",
    unguided: Annotated[bool, typer.Option("--unguided", help="no teacher")] = False,
    unqualified: Unqualified = False,
    without: Without = None,
    cache: Cache = Path("out/recordings"),
    processes: Processes = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="of the CPU")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """Train a policy on the corpora's captures for training; keep the best on validation.

    The folder gets settings, metrics, plots and the network.
    """
    import torch

    from training.gateway.train import CHECKPOINT, train

    torch.set_num_threads(threads)
    corpora = [manifest_path(name) for name in corpora]
    plan = Plan(
        corpora=tuple(corpora), folders=tuple(folders_of(corpora, folders)),
        without=families_named(without or []),
        network=blueprint, ppo=settings, ending=ending, world=world, surroundings=surroundings,
        rewards=Rewards.load(reward), teacher=None if unguided else teacher,
        rehearsal=rehearsal, limits=limits, unqualified=unqualified, guidance=guidance,
    )  # fmt: skip
    with training_bar("training", settings.steps) as show:
        result = train(folder, plan, cache=cache, device=device, processes=processes, show=show)
    if as_json:
        print(json.dumps(result))
    else:
        print(f"{folder / CHECKPOINT}: {result['validation']:.1%} of what validation has at stake")


def folders_of(manifests: list[Path], folders: list[Path] | None) -> list[Path]:
    """Each corpus's folder.

    Raises:
        typer.BadParameter: there are folders, but not one for each.
    """
    if folders and len(folders) != len(manifests):
        raise typer.BadParameter(
            f"{len(folders)} for {len(manifests)} corpora: say one for each", param_hint="--folder"
        )
    return folders or [manifest.parent for manifest in manifests]
