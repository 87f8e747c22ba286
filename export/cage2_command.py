"""``sluice-export cage2``: a CAGE-2 checkpoint as a signed bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.output import make_folder
from agent.profile import Profile
from agent.words import printable
from export.progress import stages_bar
from export.signing import signing_key, write_public

if TYPE_CHECKING:
    from agent.bundle import Bundle
    from export.cage2_stages import Plan

_WORK = Path("out/export/cage2")

Hidden = Annotated[
    list[int] | None,
    typer.Option(min=1, max=1024, help="width of a hidden layer; repeat for more (64 and 64)"),
]


def cage2(
    checkpoint: Annotated[Path, typer.Argument(help="a network that sluice-train cage2 wrote")],
    out: Annotated[Path, typer.Argument(metavar="OUT.sluice", help="the bundle to write")],
    key: Annotated[
        Path | None,
        typer.Option(
            help="private key to sign with, as keygen makes it; left out: one for this bundle,"
            " whose public key goes beside it"
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="of boxes, whose arithmetic and limits hold: a shipped one, or a TOML file"
        ),
    ] = None,
    hidden: Hidden = None,
    prune: Annotated[
        float, typer.Option(min=0, max=0.99, help="share of each layer's units that goes")
    ] = 0.0,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="of learning: the student's; a third of them for bytes"),
    ] = None,
    episodes: Annotated[int, typer.Option(min=2, help="of each of the nine cells")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="of learning; scores are those of seed 0")] = 1,
    work: Annotated[
        Path, typer.Option(help="folder of the stages; what is done there is not done again")
    ] = _WORK,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """Distil a CAGE-2 policy, quantise it to int8, hold it to its gates, sign it."""
    import torch

    from export.cage2_bundle import made
    from export.cage2_stages import Source

    torch.set_num_threads(1)  # what is fast here, and the same bits wherever it runs
    box = None if profile is None else Profile.of(profile)
    plan = _plan(hidden, prune, steps, seed, box)
    secret = signing_key(key)
    make_folder(out.parent)  # it would be a pity to find out at the end
    with stages_bar() as show:
        bundle = made(
            out, Source.of(checkpoint), plan,
            work=work, profile=box, episodes=episodes, private_key=secret, show=show,
        )  # fmt: skip
    beside = None if key else write_public(out, bundle.key)
    if as_json:
        print(json.dumps(_result(bundle, beside)))
    else:
        _print(bundle, beside)


def _plan(
    hidden: list[int] | None,
    prune: float,
    steps: int | None,
    seed: int,
    profile: Profile | None,
) -> Plan:
    from export.cage2_stages import Plan

    plan = Plan(seed=seed, pruned=prune)
    if hidden:
        plan = plan.model_copy(update={"hidden": hidden})
    if profile is not None:
        plan = plan.model_copy(update={"form": profile.policy.quantisation})
    if steps is None:
        return plan
    courses = {
        "distilling": plan.distilling.model_copy(update={"steps": steps}),
        "tuning": plan.tuning.model_copy(update={"steps": max(1, steps // 3)}),
    }
    return plan.model_copy(update=courses)


def _result(bundle: Bundle, public: Path | None) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "bundle": str(bundle.path),
        "bytes": bundle.size,
        "sha256": bundle.digest,
        "profile": manifest.profile,
        "public_key": None if public is None else str(public),
        "scores": manifest.provenance["scores"],
        "stages": manifest.stages,
        "gates": [gate.model_dump() for gate in manifest.gates],
    }


def _print(bundle: Bundle, public: Path | None) -> None:
    print(f"{printable(bundle.path)}: {bundle.size:,} bytes, all gates passed")
    for gate in bundle.manifest.gates:
        limit = "" if gate.limit is None else f", at most {gate.limit:.6g}"
        note = f" ({gate.note})" if gate.note else ""
        print(f"  {gate.name}: {gate.found:.6g} {gate.unit}{limit}{note}")
    if public is not None:
        print(f"signed with a key that was thrown away; its public half: {printable(public)}")
