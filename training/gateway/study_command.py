"""``sluice-train gateway study``: arms of a gateway's training over seeds, compared in a table."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from training.errors import StudyError
from training.gateway.corpus import Corpus, manifest_path
from training.gateway.leave_out import families_named
from training.gateway.rewards import SHIPPED, Rewards
from training.gateway.settings import Blueprint, Limits, Plan, PPOSettings, Rehearsal, World
from training.gateway.surroundings import Surroundings
from training.gateway.train_command import (
    Cache,
    Corpora,
    Folders,
    Guide,
    Reward,
    Unqualified,
    Without,
    folders_of,
)
from training.options import with_options
from training.settings import Ending, Guidance

if TYPE_CHECKING:
    from training.gateway.study_measures import HeldOut

PAGE: Final = "study.md"
FOUND: Final = "study.json"


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
def study_command(
    folder: Annotated[Path, typer.Argument(help="of all runs; what is done there stays done")],
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
    seeds: Annotated[int, typer.Option(min=1, help="of every arm, from --seed on")] = 5,
    arms: Annotated[
        list[str] | None,
        typer.Option(
            "--arm",
            help="guided, unguided, alone, or without-FAMILY; may be repeated; default: all",
        ),
    ] = None,
    tests: Annotated[
        list[str] | None,
        typer.Option(
            "--test",
            metavar="CORPUS[:SPLIT]",
            help="captures to measure on; may be repeated; default: what the corpora hold out",
        ),
    ] = None,
    test_folders: Annotated[
        list[Path] | None,
        typer.Option(
            "--test-folder",
            help="of the tests' corpora, in their order; else as --folder, or their manifests'",
        ),
    ] = None,
    reward: Reward = SHIPPED,
    teacher: Guide = "playbook",
    unqualified: Unqualified = False,
    without: Without = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="runs at a time, of one thread each; default: all cores"),
    ] = None,
    cache: Cache = Path("out/recordings"),
    results: Annotated[
        Path | None, typer.Option(help="page that gets the study's section, docs/results.md say")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """Train arms under several seeds; measure them on held-out captures; compare them.

    The folder gets a folder for each run, and study.md and study.json.
    """
    from training.gateway.study import run_study
    from training.gateway.study_page import NAME, section
    from training.gateway.study_page import as_json as to_json
    from training.study_page import put_into
    from training.study_pool import write_whole

    corpora = [manifest_path(name) for name in corpora]
    plan = Plan(
        corpora=tuple(corpora), folders=tuple(folders_of(corpora, folders)),
        network=blueprint, ppo=settings, ending=ending, world=world, surroundings=surroundings,
        rewards=Rewards.load(reward), teacher=teacher, unqualified=unqualified, guidance=guidance,
        rehearsal=rehearsal, limits=limits, without=families_named(without or []),
    )  # fmt: skip
    held_out = _held_out(plan, tests or [], test_folders)
    # Being ended like being interrupted: the runs are told, and save.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    workers = jobs or os.cpu_count() or 1
    stderr = Console(stderr=True)
    columns = (TextColumn("study"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        line = bar.add_task("study", total=None)
        findings = run_study(
            folder, plan, seeds, held_out, names=arms or (), cache=cache, workers=workers,
            show=lambda done, of: bar.update(line, completed=done, total=of),
        )  # fmt: skip
    command = shlex.join(["sluice-train", *sys.argv[1:]])
    found, page = json.dumps(to_json(findings, command)), section(findings, command)
    write_whole(folder / FOUND, found + "\n")
    write_whole(folder / PAGE, page + "\n")
    if results:
        put_into(results, {NAME: page})
    print(found if as_json else page)


def _held_out(plan: Plan, tests: list[str], folders: list[Path] | None) -> list[HeldOut]:
    """What runs are measured on: what was asked for, or else what the corpora hold out.

    Raises:
        typer.BadParameter: there are folders, but not one for each test.
        CorpusError: a corpus or its split cannot be used.
        StudyError: two tests have the same name, or there is none.
    """
    from training.gateway.study_measures import HeldOut, split_off

    if folders and len(folders) != len(tests):
        raise typer.BadParameter(
            f"{len(folders)} for {len(tests)} tests: say one for each", param_hint="--test-folder"
        )
    own = dict(zip(plan.corpora, plan.folders, strict=True))
    if tests:
        asked = [split_off(text) for text in tests]
        usual = [own.get(manifest_path(manifest)) for manifest, _ in asked]
        found = [
            HeldOut.of(manifest, place, split)
            for (manifest, split), place in zip(asked, folders or usual, strict=True)
        ]
    else:
        holding = [each for each in own if Corpus.load(each).of("held-out")]
        found = [HeldOut.of(manifest, own[manifest]) for manifest in holding]
    if not found:
        raise StudyError("the corpora hold nothing out; say what to measure on with --test")
    for name, count in Counter(each.name for each in found).items():
        if count > 1:
            raise StudyError(f"{count} tests are called {name}; rename their folders or manifests")
    return found
