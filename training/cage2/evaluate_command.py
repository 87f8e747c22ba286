"""``sluice-train cage2 evaluate``: a policy's score by the official protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from agent.words import printable
from training.cage2.scenario import Variant

if TYPE_CHECKING:
    from training.cage2.evaluate import Arena, Evaluation, Policy

_OFFICIAL: Final = "official"
_TEACHERS: Final = ("playbook", "passages", "lm", "encoder")
_WIDEST: Final = 110  # columns, where standard output is no terminal

Player = Annotated[
    str,
    typer.Argument(metavar="POLICY", help=f"an ONNX file, or a teacher: {', '.join(_TEACHERS)}"),
]
Checkout = Annotated[
    Path | None, typer.Option(help="play in the official environment: a CybORG 2.1 checkout")
]
Episodes = Annotated[int, typer.Option(min=2, help="of each of the nine cells")]
Seed = Annotated[int, typer.Option(min=0, help="of all chance")]
Rules = Annotated[Variant, typer.Option(help="whose rules hold in the simulator")]
Mended = Annotated[
    bool, typer.Option(help="no Restore of the server disarms Impact, as one does officially")
]
Network = Annotated[str, typer.Option(help="official, generated-N, or a .toml or .json file")]
Json = Annotated[bool, typer.Option("--json", help="the result as JSON on standard output")]


def evaluate_command(
    policy: Player,
    cyborg: Checkout = None,
    episodes: Episodes = 1000,
    seed: Seed = 0,
    variant: Rules = Variant.HEAD,
    scenario: Network = _OFFICIAL,
    mend_impact: Mended = False,
    as_json: Json = False,
) -> None:
    """Score a policy: 30, 50 and 100 steps against each of three red agents."""
    from training.cage2.evaluate import evaluate, total_steps

    arena = _arena(cyborg, variant, scenario, disarms=not mend_impact)
    player = _player(policy, arena, scenario)
    stderr = Console(stderr=True)
    with Progress(console=stderr, disable=not stderr.is_terminal, transient=True) as bar:
        task = bar.add_task("playing", total=total_steps(episodes))
        result = evaluate(
            player,
            arena,
            name=policy,
            episodes=episodes,
            seed=seed,
            advance=lambda steps: bar.advance(task, steps),
        )
    if as_json:
        print(json.dumps(result.as_dict()))
    else:
        _print(result)


def _arena(cyborg: Path | None, variant: Variant, scenario: str, *, disarms: bool) -> Arena:
    from training.cage2.evaluate import official, simulator
    from training.cage2.scenario import load

    if cyborg is None:
        return simulator(variant, load(scenario), disarms=disarms)
    if variant is not Variant.HEAD or scenario != _OFFICIAL or not disarms:
        raise typer.BadParameter(
            "--variant, --scenario and --mend-impact are the simulator's; a checkout has its own"
            " rules and network"
        )
    return official(cyborg)


def _player(name: str, arena: Arena, scenario: str) -> Policy:
    from training.cage2.onnx_policy import OnnxPolicy
    from training.cage2.teacher_policy import TeacherPolicy
    from training.cage2.teachers import make_teacher

    if name in _TEACHERS:
        rules = arena.variant or Variant.HEAD
        return TeacherPolicy(make_teacher(name, scenario), arena.scenario, rules)
    return OnnxPolicy(Path(name), arena.scenario.num_features, arena.scenario.num_actions)


def _print(result: Evaluation) -> None:
    """A row for each horizon, a column for each red agent, on standard output."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDEST
    rules = f", variant {result.variant}" if result.variant else ""
    episodes = result.cells[0].episodes
    console.print(
        f"{printable(result.policy)}: {episodes:,} episodes a cell in {result.environment}"
        f"{rules}, scenario {printable(result.scenario)}, seed {result.seed}\n",
        soft_wrap=True,
    )
    rows: dict[int, dict[str, str]] = {}
    for cell in result.cells:
        rows.setdefault(cell.steps, {})[cell.red] = f"{cell.mean:.2f} ± {cell.se:.2f}"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("steps", *next(iter(rows.values()))):
        table.add_column(name, justify="right")
    for steps, means in rows.items():
        table.add_row(str(steps), *means.values())
    console.print(table)
    console.print(f"\ntotal {result.total:.2f} ± {result.total_se:.2f} (± one standard error)")
