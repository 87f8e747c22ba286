"""``sluice-export gateway``: a checkpoint as the bundle that a kind of box loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agent.output import make_folder
from agent.profile import Profile
from agent.words import printable
from export.gateway_settings import Plan
from export.progress import stages_bar
from export.signing import signing_key, write_public
from training.errors import CorpusError
from training.gateway.corpus import Capture, Corpus, Split, manifest_path
from training.gateway.train_command import Cache, Corpora, Folders, Processes, folders_of
from training.options import with_options

if TYPE_CHECKING:
    from agent.bundle import Bundle
    from export.gateway_bundle import HeldOut
    from training.gateway.recording import Recording

_HELD_OUT: Final = "held-out"
_WORK: Final = Path("out/export")


Box = Annotated[str, typer.Option(help="of the boxes: a shipped one, or a TOML file")]
Test = Annotated[
    Path | None,
    typer.Option(help="corpus whose held-out captures it is tried on; else the first one's"),
]
TestFolder = Annotated[Path | None, typer.Option(help="of its captures; else its manifest's")]
Key = Annotated[
    Path | None,
    typer.Option(help="private key of sluice-export keygen; else one made for this bundle"),
]
Until = Annotated[
    str, typer.Option(help="stop after distil, prune, quantize or onnx; else go to the end")
]
Work = Annotated[
    Path, typer.Option(help="folder that keeps what the stages make, by the student's shape")
]


@with_options(plan=Plan)
def gateway(
    checkpoint: Annotated[Path, typer.Argument(help="a network that sluice-train wrote")],
    out: Annotated[Path, typer.Argument(metavar="OUT.sluice", help="the bundle to write")],
    corpora: Corpora,
    plan: Plan,
    profile: Box,
    folders: Folders = None,
    test: Test = None,
    test_folder: TestFolder = None,
    key: Key = None,
    name: Annotated[str, typer.Option(help="of the policy")] = "gateway",
    until: Until = "",
    work: Work = _WORK,
    cache: Cache = Path("out/recordings"),
    processes: Processes = 2,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """Distil, prune, quantise, measure and sign a gateway's policy; what is made stays made."""
    import torch

    from export.exported import STAGES
    from export.gateway import Source, export
    from export.gateway_bundle import make_bundle, ordinary, outcomes

    torch.set_num_threads(1)
    if until and until not in STAGES:
        raise typer.BadParameter(f"no stage is called {until}; there are {', '.join(STAGES)}")
    box, private = Profile.of(profile), signing_key(key)
    make_folder(out.parent)  # it would be a pity to find out at the end
    manifests = [manifest_path(each) for each in corpora]
    places = folders_of(manifests, folders)
    held_out = _held_out(manifests[0], places[0], test, test_folder)
    learned, validation = (
        recordings(manifests, places, split, cache, processes) for split in ("train", "validation")
    )
    source = Source.of(checkpoint, manifests, learned, validation)
    folder = work / shape(box)
    with stages_bar() as show:
        exported = export(folder, source, box, plan, until=until or STAGES[-1], show=show)
        if exported is None or until:
            print(json.dumps({"work": str(folder), "until": until}) if as_json else folder)
            return
        result = outcomes(folder, exported, held_out, show)
    made = make_bundle(
        out, folder, source, exported, box, private, name=name, held_out=held_out, found=result,
        baseline=ordinary(validation),
    )  # fmt: skip
    _tell(made, None if key else write_public(out, made.key), as_json)


def _tell(made: Bundle, public: Path | None, as_json: bool) -> None:
    manifest = made.manifest
    if as_json:
        answer = {
            "bundle": str(made.path),
            "sha256": made.digest,
            "bytes": made.size,
            "profile": manifest.profile,
            "public_key": None if public is None else str(public),
            "stages": manifest.stages,
            "gates": [gate.model_dump() for gate in manifest.gates],
            "outcomes": manifest.provenance["outcomes"],
        }
        print(json.dumps(answer))
        return
    print(f"{printable(made.path)}: {made.size:,} bytes for {manifest.profile}, all gates passed")
    if public:
        print(f"signed with a key of its own: {printable(public)}")


def shape(profile: Profile) -> str:
    """Of the student: profiles of the same shape share what was learned for one of them."""
    pruned = f"-pruned-{profile.policy.pruned:g}" if profile.policy.pruned else ""
    return "-".join(map(str, profile.policy.hidden)) + pruned


def recordings(
    manifests: list[Path], folders: list[Path], split: Split, cache: Path, processes: int
) -> list[Recording]:
    """Those of a split of all corpora."""
    from training.gateway.library import by_corpus

    found = by_corpus(manifests, folders, split, cache, processes=processes)
    return [each.recording for corpus in found for each in corpus]


def _held_out(manifest: Path, folder: Path, test: Path | None, test_folder: Path | None) -> HeldOut:
    """The captures that a policy is tried on.

    Raises:
        CorpusError: there is none.
    """
    from export.gateway_bundle import HeldOut

    if test is not None:
        manifest = manifest_path(test)
        folder = test_folder or manifest.parent
    captures: list[Capture] = Corpus.load(manifest).of(_HELD_OUT)
    if not captures:
        raise CorpusError(f"{manifest}: no capture is held out; name a corpus with --test")
    label = manifest.parent.name if manifest.stem == "corpus" else manifest.stem
    return HeldOut(f"{len(captures)} held-out captures of {label}", captures, folder)
